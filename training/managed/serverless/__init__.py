"""Serverless tuning of open models in the stack's hub project."""
