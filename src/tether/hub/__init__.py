"""The device server: devices, their drivers, commands, history, and what clients see of them."""
