"""HTTP/1.1: messages, parser, server side of a connection, and a hook for upgrades."""

from tether.http.messages import Headers, HTTPError, Response

__all__ = ["HTTPError", "Headers", "Response"]
