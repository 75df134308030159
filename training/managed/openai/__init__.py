"""Azure OpenAI's fine-tuning in the stack's AI account: files, jobs, events, models."""
