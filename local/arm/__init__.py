"""Azure Resource Manager: the resources of the stack, their order, their names and their rights."""
