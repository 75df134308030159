"""The Azure on the loopback: a stand-in, made from published types, never checked against Azure.

What it plays is honest: a job is Completed because its process exited 0, a deployment is healthy
because its scoring process answered, a request is refused because a role is missing.
Imported by `commands/` and tests alone.
"""
