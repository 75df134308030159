"""What is measured of an answer, one family a module; `catalogue` has them in a table's order."""
