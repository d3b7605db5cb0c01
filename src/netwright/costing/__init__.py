"""What a network costs, read from its graph. Imports no torch."""

from netwright.costing.table import Cost, Line, cost

__all__ = ["Cost", "Line", "cost"]
