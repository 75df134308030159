"""What stands in Azure at this moment: read by plain ARM requests, never changed."""
