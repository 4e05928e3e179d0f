"""Streams: bytes with backpressure over sockets, and how they are listened for and connected."""
