"""Where a study's workers run: processes of this machine, or tasks of a Ray cluster."""
