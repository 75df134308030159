"""The data plane of AI accounts: OpenAI's API for files, tuning jobs and chat completions."""
