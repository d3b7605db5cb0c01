"""What is trained with: recipes, their files, and those with a name."""
