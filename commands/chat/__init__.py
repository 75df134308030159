"""`tunestack chat`: a conversation at the terminal, from a pipe, or one question."""
