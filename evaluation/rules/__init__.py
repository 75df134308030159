"""What an answer has to keep to: rules declared in a suite's YAML, read over its text."""
