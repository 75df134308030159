"""The commands of the managed routes: each joins a service's training and hosting for a noun."""
