"""Which is better: rules, counts and the base beside the tuned model."""
