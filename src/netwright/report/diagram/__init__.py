"""Networks as drawings: an own SVG, and DOT."""
