"""`tunestack jobs`: training jobs, while they run and afterwards."""
