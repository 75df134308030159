"""How an endpoint is talked to: one line to it, what it answers, what a conversation remembers."""
