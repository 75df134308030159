"""The engine of the rehearsal: the program run in this process, Azure by plain ARM requests."""
