"""The cost of torch modules that netwright did not design, found by running them once on tensors without data."""
