"""What answers: the online endpoint, the scoring program in its container, the conversation."""
