"""What lives here: one echo server a file, each a program of its own, and how it says its port."""
