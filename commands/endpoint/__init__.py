"""`tunestack endpoint`, and what other commands show of an endpoint."""
