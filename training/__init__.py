"""What makes a model: recipes, data, jobs and registered models."""
