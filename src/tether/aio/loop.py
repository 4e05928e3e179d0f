"""The loop that asyncio sees: what of it is the engine's, and what the standard library's.

It knows the engine, and of transports only who makes them.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import socket
import ssl
from asyncio import SelectorEventLoop, constants
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar, TypeVarTuple, Unpack

from tether.aio import child
from tether.aio.datagram import DatagramTransport
from tether.aio.opening import open_transport
from tether.aio.pipes import ReadPipeTransport, WritePipeTransport
from tether.aio.resolving import RESOLVE_TIMEOUT, get_address_info, get_name_info
from tether.aio.sendfile import send_file
from tether.aio.serving import start_serving
from tether.aio.subprocess import start_subprocess
from tether.aio.tls_transport import TlsTransport, open_tls_transport, upgrade_transport
from tether.aio.transport import SocketTransport
from tether.engine.engine import Engine
from tether.engine.scope import DEFAULT_LINGER
from tether.stream.listener import Listener

_log = logging.getLogger("tether")

T = TypeVar("T")
_Args = TypeVarTuple("_Args")


class _NoSelector(selectors.BaseSelector):
    # The standard library's loop wants a selector; a real one would be a second epoll descriptor.

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise NotImplementedError("the engine polls")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise NotImplementedError("the engine polls")

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        raise NotImplementedError("the engine polls")

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class Loop(Engine, SelectorEventLoop):
    """tether's event loop, which is an asyncio event loop too.

    The native engine stands first: ready queue, timers and polling are its own; what is not hot
    comes from the standard library.

    Args:
        poller: "epoll", "poll" or "select"; by default what `TETHER_POLLER` names, else the best
            there is.
        flush_every: how many streams may write before what they wrote is sent (default 32).
        max_dispatch: seconds that each kind of work (events, streams with more to read, callbacks,
            timers) gets in one pass before the others have their turn; None, the default, for no
            limit.
        max_callbacks: how many of each kind are served in one pass; None, the default, for no
            limit.
        resolve_timeout: seconds until a lookup of a name fails with `ResolveTimeout`, None to wait
            for as long as the system's resolver does (default 30).

    >>> import asyncio, tether
    >>> async def main():
    ...     return type(asyncio.get_running_loop()).__name__
    >>> with asyncio.Runner(loop_factory=tether.Loop) as runner:
    ...     runner.run(main())
    'Loop'
    """

    # Until asyncio's own __init__ ran there is nothing to close.
    _closed = True

    def __init__(
        self,
        *,
        poller: str | None = None,
        flush_every: int = 32,
        max_dispatch: float | None = None,
        max_callbacks: int | None = None,
        resolve_timeout: float | None = RESOLVE_TIMEOUT,
    ) -> None:
        self.resolve_timeout = resolve_timeout
        Engine.__init__(
            self,
            poller=poller,
            flush_every=flush_every,
            max_dispatch=max_dispatch,
            max_callbacks=max_callbacks,
        )
        SelectorEventLoop.__init__(self, _NoSelector())
        self._listeners: dict[socket.socket, Listener] = {}

    def add_signal_handler(
        self, sig: int, callback: Callable[[Unpack[_Args]], object], *args: *_Args
    ) -> None:
        """As asyncio's; scopes that watch the signal hear of it too."""
        super().add_signal_handler(sig, callback, *args)
        self._share_signal(sig)

    def remove_signal_handler(self, sig: int) -> bool:
        """As asyncio's; scopes that watch the signal go on."""
        removed = super().remove_signal_handler(sig)
        self._share_signal(sig)
        return removed

    def close(self) -> None:
        """Abort what is still open (with one `ResourceWarning`) and free everything."""
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if self.is_closed():
            return
        try:
            self.shut()
        finally:
            super().close()
            self.shut_poller()

    # Below: what asyncio's own `create_connection`, `create_server` and `sendfile` call.

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: asyncio.AbstractServer | None = None,
    ) -> SocketTransport:
        self._ensure_fd_no_transport(sock)
        return open_transport(self, sock, protocol, waiter, extra, server)

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext | bool | None,
        waiter: asyncio.Future[None] | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: asyncio.AbstractServer | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> TlsTransport:
        self._ensure_fd_no_transport(rawsock)
        return open_tls_transport(
            self,
            rawsock,
            protocol,
            sslcontext,
            waiter,
            server_side=server_side,
            server_hostname=server_hostname,
            extra=extra,
            server=server,
            handshake_timeout=ssl_handshake_timeout,
            shutdown_timeout=ssl_shutdown_timeout,
        )

    async def start_tls(
        self,
        transport: Any,  # an `asyncio.Transport`; tether's native ones cannot inherit from it
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> Any:
        """See `asyncio.loop.start_tls`. The former transport is closed, the new one goes on."""
        if type(transport) not in (SocketTransport, TlsTransport) or not isinstance(
            sslcontext, ssl.SSLContext
        ):
            return await super().start_tls(
                transport,
                protocol,
                sslcontext,
                server_side=server_side,
                server_hostname=server_hostname,
                ssl_handshake_timeout=ssl_handshake_timeout,
                ssl_shutdown_timeout=ssl_shutdown_timeout,
            )
        waiter: asyncio.Future[None] = self.create_future()
        upgraded = upgrade_transport(
            transport,
            protocol,
            sslcontext,
            waiter,
            server_side=server_side,
            server_hostname=server_hostname,
            handshake_timeout=ssl_handshake_timeout,
            shutdown_timeout=ssl_shutdown_timeout,
        )
        try:
            await waiter
        except BaseException:
            upgraded.close()
            raise
        return upgraded

    def _start_serving(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        sslcontext: Any = None,
        server: asyncio.AbstractServer | None = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: float | None = constants.SSL_SHUTDOWN_TIMEOUT,
    ) -> None:
        self._listeners[sock] = start_serving(
            self,
            protocol_factory,
            sock,
            server,
            sslcontext,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
        )

    def _stop_serving(self, sock: socket.socket) -> None:
        listener = self._listeners.pop(sock, None)
        # From 3.13 on this also removes the file of a Unix socket.
        super()._stop_serving(sock)  # type: ignore[misc]
        if listener is not None:
            listener.close()

    async def _sendfile_native(
        self, transp: SocketTransport, file: Any, offset: int, count: int | None
    ) -> int:
        return await send_file(transp, file, offset, count)

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """As asyncio's, but a silent name server holds neither the process nor an executor."""
        return await get_address_info(self, host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> Any:
        """As asyncio's, but a silent name server holds neither the process nor an executor."""
        return await get_name_info(self, sockaddr, flags)

    def _make_datagram_transport(self, *args: Any, **kwargs: Any) -> DatagramTransport:
        return DatagramTransport(self, *args, **kwargs)

    def _make_read_pipe_transport(self, *args: Any, **kwargs: Any) -> ReadPipeTransport:
        return ReadPipeTransport(self, *args, **kwargs)

    def _make_write_pipe_transport(self, *args: Any, **kwargs: Any) -> WritePipeTransport:
        return WritePipeTransport(self, *args, **kwargs)

    async def _make_subprocess_transport(self, *args: Any, **kwargs: Any) -> Any:
        if child.SUPPORTED:
            return await start_subprocess(self, *args, **kwargs)
        return await super()._make_subprocess_transport(*args, **kwargs)  # type: ignore[misc]


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """Run `main` on a `Loop`, then close the root scope gracefully, and return its result.

    >>> async def main():
    ...     return 42
    >>> run(main())
    42
    """
    with asyncio.Runner(debug=debug, loop_factory=Loop) as runner:
        try:
            return runner.run(main)
        finally:
            runner.run(_end())


async def _end() -> None:
    # The root closes gracefully; then whoever is left gets `LINGER` seconds, and not for ever, as
    # asyncio's own runner would wait for a task that swallows its cancellation.
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    loop.scope.close()
    await loop.scope.wait_closed()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=DEFAULT_LINGER)
        for task in late:
            _log.warning("abandoned after %g s of linger: %s", DEFAULT_LINGER, task.get_name())
            asyncio._unregister_task(task)  # documented for those who extend asyncio


async def to_thread(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Run blocking work in a thread, and wait for it without holding the loop.

    >>> run(to_thread(sum, [1, 2, 3]))
    6
    """
    return await asyncio.to_thread(function, *args, **kwargs)
