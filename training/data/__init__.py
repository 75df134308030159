"""Training data: a JSONL file of chats, checked, split and found."""
