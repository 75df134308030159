"""Tuning that Azure's own services do: what is sent to them, followed and read back."""
