"""What people write: an application of routes, and how it is served."""
