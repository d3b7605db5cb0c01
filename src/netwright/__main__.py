"""`python -m netwright`."""

from netwright.cli import entry

if __name__ == "__main__":
    entry()
