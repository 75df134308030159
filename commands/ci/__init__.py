"""`tunestack ci`: a workflow of GitHub Actions for a stack, without any secret."""
