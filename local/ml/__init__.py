"""Azure Machine Learning: its ARM nouns, run history, MLflow tracking, and what answers requests.

Importing its modules puts their operations into the table. Workspaces, computes and datastores
as resources are `local/arm/`'s. Of registries only versions of models that are served are read.
Pipelines, sweeps, AutoML, batch endpoints, schedules and components are not played and answer 404.
"""
