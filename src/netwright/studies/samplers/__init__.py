"""Samplers: which design is tried next. Each reads what has been tried and proposes one within the limits."""
