"""`tunestack train`: check, estimate, submit, follow, register."""
