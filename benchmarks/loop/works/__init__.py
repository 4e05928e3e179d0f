"""What lives here: one kind of work a file, the same code for every loop."""
