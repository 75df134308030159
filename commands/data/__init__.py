"""`tunestack data`: training data before anything is sent."""
