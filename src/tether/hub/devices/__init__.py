"""Devices: the model of one, the registry of all, and the drivers that reach them."""
