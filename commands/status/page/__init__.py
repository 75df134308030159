"""The page of a stack: pure text from facts, whole by itself."""
