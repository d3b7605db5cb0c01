"""What trains: batches, steps, the loop over them, checkpoints, several processes."""
