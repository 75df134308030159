"""`tunestack rehearse`: the sum of the single commands, by one of the three routes."""
