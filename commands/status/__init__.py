"""`tunestack status`, and the page of a stack that it writes."""
