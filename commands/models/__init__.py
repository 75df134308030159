"""`tunestack models`: registered models."""
