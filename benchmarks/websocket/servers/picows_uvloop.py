"""What lives here: the echo server of picows on uvloop, at its best.

Its callback form, no automatic pings, uvloop's own transports (a little ahead of aiofastnet's,
which picows would take), a view of a large payload, and TCP_NODELAY, which uvloop sets itself.
"""

from __future__ import annotations

import asyncio

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from benchmarks.websocket.servers.announce import announce, requested_port

# From here on copying a payload costs more than making a view of it.
LARGE = 4096


class Echo(WSListener):
    """Sends each message back; a close frame ends the session."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Echo one frame."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.payload_size < LARGE:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


def accept(request: WSUpgradeRequest) -> WSListener:
    """Take every request."""
    return Echo()


async def main() -> None:
    """Serve until the process is ended."""
    server = await ws_create_server(accept, "127.0.0.1", requested_port(), use_aiofastnet=False)
    announce(server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
