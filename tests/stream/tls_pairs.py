"""Two ends under TLS: a stream with a peer of the standard library, or two streams."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import tether
from tests.certificates import NAME, Peer, client_context, server_context
from tests.plain_sockets import open_socket
from tests.stream.pairs import stream_and_socket


@asynccontextmanager
async def stream_and_peer(
    context: ssl.SSLContext | None = None, *, receive_buffer: int = 0
) -> AsyncIterator[tuple[tether.Stream, Peer]]:
    """An accepted stream that is the server of a handshake, and its client."""
    async with stream_and_socket(receive_buffer=receive_buffer) as (stream, connection):
        peer = Peer(connection, context or client_context(), NAME)
        await asyncio.gather(
            stream.start_tls(server_context(), server_side=True),
            tether.to_thread(peer.shake_hands),
        )
        yield stream, peer


@asynccontextmanager
async def two_streams() -> AsyncIterator[tuple[tether.Stream, tether.Stream]]:
    """The client's stream and the server's, both tether's."""
    accepted: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
    async with (
        tether.listen("127.0.0.1:0", accepted.set_result) as listener,
        await tether.connect(listener.address) as client,
    ):
        server = await accepted
        await asyncio.gather(
            client.start_tls(client_context(), server_hostname=NAME),
            server.start_tls(server_context(), server_side=True),
        )
        try:
            yield client, server
        finally:
            server.close()  # else the client would wait for its goodbye


async def connected(address: str, context: ssl.SSLContext | None = None, name: str = NAME) -> Peer:
    """A client whose side of the handshake is over."""
    peer = Peer(open_socket(address), context or client_context(), name)
    try:
        await tether.to_thread(peer.shake_hands)
    except BaseException:
        peer.connection.close()
        raise
    return peer
