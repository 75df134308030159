"""Deployments that Azure's own services run: no machine of ours, priced by the hour or token."""
