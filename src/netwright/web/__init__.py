"""The workbench page: a local server and the page it serves, `netwright ui`."""
