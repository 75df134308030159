"""The tutorial's prompt flow for an endpoint: exported, and run by the real promptflow package."""
