"""`tunestack local`: the rehearsal's Azure by hand."""
