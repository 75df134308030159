"""How answers are come by: deployed sides are asked, weights on a node, files are read."""
