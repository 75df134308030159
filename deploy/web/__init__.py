"""A page and an OpenAI-compatible address on this machine, in front of the stack's endpoint."""
