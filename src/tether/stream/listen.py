"""`listen`: from an address to a listener that accepts.

Knows what there is to choose, and whose the listener is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ssl import SSLContext

from tether.engine.scope import DEFAULT_LINGER, Scope, current_scope
from tether.errors import NetworkError
from tether.stream.binding import bind
from tether.stream.certificates import Certificates
from tether.stream.channel import READ_HIGH, WRITE_HIGH, WRITE_LOW
from tether.stream.listener import Listener
from tether.stream.stream import Stream


def listen(
    address: str | Iterable[str],
    on_stream: Callable[[Stream], object],
    *,
    owner: Scope | None = None,
    on_error: Callable[[NetworkError], object] | None = None,
    ssl: SSLContext | Certificates | None = None,
    handshake_timeout: float | None = 10.0,
    shutdown_timeout: float | None = 5.0,
    max_connections: int | None = None,
    max_per_address: int | None = None,
    write_high: int | None = WRITE_HIGH,
    write_low: int | None = WRITE_LOW,
    read_high: int | None = READ_HIGH,
    linger: float | None = DEFAULT_LINGER,
    backlog: int = 1024,
    reuse_port: bool = False,
    v6only: bool = False,
    mode: int | None = None,
    nodelay: bool = True,
    keepalive: float | None = None,
    defer_accept: float | None = None,
) -> Listener:
    """Listen on `address` and call `on_stream(stream)` for every connection.

    Args:
        address: one of these, or several: "host:port" (port 0 picks one, and all addresses of the
            host are bound; "localhost" is both loopbacks), "[v6]:port", ":port" (everything, IPv4
            and IPv6), "unix:path", "unix:@name" (abstract), "fd:3" (a descriptor that listens
            already), "systemd:" or "systemd:name" (socket activation).
        on_stream: plain or async; an async one is the stream's driver, and its end closes it.
        owner: the scope that owns the listener; the default is that of the running handler,
            else the root.
        on_error: called with what failed: a `LocalError` (`phase` is "accept") when there are no
            descriptors to accept with, and the failure of each TLS handshake (`phase` "tls", from
            `peer`). The default logs the first kind, and the second for debugging.
        ssl: TLS: a context, or `Certificates`, which can be reloaded. `on_stream` is called after
            the handshake, and not at all where that fails.
        handshake_timeout: seconds for a handshake (default 10); `shutdown_timeout`: seconds that
            the peer gets, after a close, to say goodbye as well (default 5). None: no limit.
        max_connections: how many may be open; more wait in the backlog until one is closed.
        max_per_address: how many may be open from one address (a network of IPv6, /64, is one);
            more are reset at once, counted, and logged once for a burst of them.
        write_high, write_low, read_high: bytes, the marks of each stream (64, 16 and 64 KiB).
        linger: seconds that handlers, and what is to be sent, get after a close (default 5).
        backlog: how many connections may wait to be accepted; the system may allow fewer.
        reuse_port: share the port with other sockets that say so too (SO_REUSEPORT).
        v6only: "[::]:port" takes IPv6 only, and ":port" binds a socket for each family. Else one
            socket takes both, and `peer` of a stream shows an IPv4 address as such.
        mode: permissions of a Unix socket's file, as 0o660; the default is what umask leaves.
        nodelay: what is sent leaves at once (TCP_NODELAY).
        keepalive: seconds of silence after which the system asks whether the peer is still there;
            three probes without an answer, a third of that apart, end the connection.
        defer_accept: seconds that a connection may wait for its first byte before anybody here
            hears of it (TCP_DEFER_ACCEPT): not for protocols in which the server speaks first.

    Raises:
        LocalError: an address is taken, not ours or not permitted; `reason` says what to do.
        ValueError: an address or an option cannot be read.

    >>> import tether
    >>> async def main():
    ...     async def echo(stream):
    ...         while data := await stream.read():
    ...             await stream.send(data)
    ...     async with tether.listen("127.0.0.1:0", echo) as listener:
    ...         stream = await tether.connect(listener.address)
    ...         stream.send(b"hello")
    ...         return await stream.readexactly(5)
    >>> tether.run(main())
    b'hello'
    """
    addresses = [address] if isinstance(address, str) else list(address)
    bound = bind(
        addresses,
        backlog=backlog,
        reuse_port=reuse_port,
        v6only=v6only,
        mode=mode,
        nodelay=nodelay,
        keepalive=keepalive,
        defer_accept=defer_accept,
    )
    try:
        listener = Listener(
            bound,
            on_stream,
            owner=owner or current_scope.get(None),
            name=f"listener {', '.join(addresses)}",
            on_error=on_error,
            linger=linger,
            write_high=write_high,
            write_low=write_low,
            read_high=read_high,
            max_connections=max_connections,
            max_per_address=max_per_address,
            ssl=ssl,
            handshake_timeout=handshake_timeout,
            shutdown_timeout=shutdown_timeout,
        )
    except BaseException:
        for one in bound:
            one.close()
        raise
    try:
        listener.start()
    except BaseException:
        listener.abort()
        raise
    return listener
