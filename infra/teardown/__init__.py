"""Taking a stack down, in the right order and with a receipt."""
