"""Who is meant by a name: the sides of an evaluation, what decides their answers, their price."""
