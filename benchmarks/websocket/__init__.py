"""What lives here: WebSocket echo and idle sessions, tether and its peers.

The servers are programs of their own (`servers/`), and so is the load (`load.c`).
"""
