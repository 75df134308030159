"""What an endpoint has beside its deployments: alerts, scaling, its last day, its keys."""
