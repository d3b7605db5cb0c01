"""How fast networks and machines are, measured."""
