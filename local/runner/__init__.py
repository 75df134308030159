"""The real processes behind the local Azure: environments, jobs and deployments.

`node.py` and `serve.py` are programs of their own: they run outside this process and import
nothing of ours.
"""
