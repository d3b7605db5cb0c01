"""What a trained network is worth, and what it says of pictures."""
