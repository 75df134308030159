"""What exists in Azure: the Pulumi program, its names and grants, and the two engines."""
