"""`tunestack evaluate`: sides asked the same, measured, reported, held to a gate."""
