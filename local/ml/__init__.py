"""Azure Machine Learning: its ARM nouns, run history, MLflow tracking and the scoring router.

Importing its modules puts their operations into the table. Workspaces, computes and datastores
as resources are `local/arm/`'s. Registries, pipelines, sweeps, AutoML, batch
endpoints, schedules and components are not played and answer 404.
"""
