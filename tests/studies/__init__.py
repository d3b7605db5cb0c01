"""What the tests of studies share."""
