"""What the devices said before now."""
