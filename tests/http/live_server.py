"""A real server on a loop in a thread of its own, and raw clients that talk to it from outside.

Knows sockets and the public face of tether. Nothing here sleeps: a test waits for bytes from the
server, or asks its loop until something holds.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import tether

PATIENCE = 10.0
"""Seconds after which a test gives up; nothing takes this long unless it is broken."""

Result = TypeVar("Result")


class _Kept(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self.records = records

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class LiveServer:
    """An app that listens on a free port; what it logs from a warning on is in `problems`."""

    def __init__(self, app: tether.App, **limits: Any) -> None:
        self.app = app
        self.problems: list[logging.LogRecord] = []
        self._limits = limits
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._peers: list[Peer] = []
        self._thread = threading.Thread(target=self._run, name="live server")

    def start(self) -> LiveServer:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop gracefully, with what clients are left gone, and wait until it has stopped."""
        for peer in self._peers:
            peer.close()
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive(), "the server does not stop"

    def begin_to_stop(self) -> None:
        """Begin to stop gracefully; returns when the server has entered closing."""
        self.call(self.server.close)

    def _run(self) -> None:
        handler = _Kept(self.problems)
        logging.getLogger().addHandler(handler)
        try:
            tether.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            logging.getLogger().removeHandler(handler)
            self._ready.set()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        self.loop = loop
        self._stopping = asyncio.Event()
        async with self.app.listen("127.0.0.1:0", **self._limits) as server:
            self.server = server
            self.address: str = server.address
            self._ready.set()
            await self._stopping.wait()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function on the server's loop and wait for what it returns."""
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(function(*arguments))
            except BaseException as error:
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future.result(PATIENCE)

    def wait_for(self, awaitable: Awaitable[Result]) -> Result:
        """Await something on the server's loop."""

        async def run() -> Result:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(PATIENCE)

    def until(self, condition: Callable[[], object], patience: float = PATIENCE) -> None:
        """Wait until something holds on the server's loop, which is asked again and again."""
        deadline = time.monotonic() + patience
        while not self.call(condition):
            assert time.monotonic() < deadline, "it did not come true:\n" + self.tree()
            threading.Event().wait(0.002)

    def tree(self) -> str:
        return self.call(self.loop.tree)

    def peer(self, **options: Any) -> Peer:
        """A bare connection."""
        peer = Peer(self, **options)
        self._peers.append(peer)
        return peer

    def ask(self, request: bytes, **options: Any) -> Reply:
        """The reply to a request on a connection of its own."""
        with self.peer() as peer:
            peer.send(request)
            return peer.reply(**options)

    def is_idle(self) -> bool:
        """Whether nothing is connected and nothing below the server is left."""
        return bool(self.server.connections == 0 and self.server.sessions == 0) and (
            "connection " not in self.loop.tree() and "websocket " not in self.loop.tree()
        )

    def messages(self) -> list[str]:
        """What was logged, without the tracebacks."""
        return [record.getMessage() for record in self.problems]


class Reply:
    """A reply that was read strictly by RFC 9112."""

    def __init__(self, head: bytes, body: bytes) -> None:
        lines = head.split(b"\r\n")
        found = re.fullmatch(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)", lines[0])
        assert found, head
        self.status = int(found[1])
        self.reason = found[2].decode()
        self.fields: list[tuple[str, str]] = []
        for line in lines[1:]:
            field = re.fullmatch(
                rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ([^\x00-\x08\x0a-\x1f\x7f]*)", line
            )
            assert field, head
            self.fields.append((field[1].decode().lower(), field[2].decode("latin-1")))
        self.head = head
        self.body = body

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    def __repr__(self) -> str:
        return f"<Reply {self.head!r} {self.body[:100]!r}>"


class Peer:
    """A raw client over a blocking socket."""

    def __init__(self, server: LiveServer, *, receive_buffer: int | None = None) -> None:
        self.server = server
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", server.port))
        host, port = self.socket.getsockname()
        self.name = f"{host}:{port}"
        self.inbox = b""
        self.sent = 0

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)
        self.sent += len(data)

    def send_split(self, data: bytes, cut: int) -> None:
        """Send `data` so that the server reads it in two pieces, the first of `cut` bytes."""
        if cut:
            self.send(data[:cut])
            self.wait_until_read()
        self.send(data[cut:])

    def wait_until_read(self) -> None:
        """Until the server took from its socket all that was sent (or has closed)."""
        self.server.until(lambda: self.taken() in (None, self.sent))

    def taken(self) -> int | None:
        """How many bytes of ours the server read; None where it has no such connection."""
        found = re.search(rf"{re.escape(self.name)} in=(\d+)", self.server.loop.tree())
        return int(found[1]) if found else None

    def receive(self) -> bytes:
        """What comes next, b"" at the end; a reset is an end too."""
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self.inbox:
            data = self.receive()
            assert data, f"the end came before {mark!r}: {self.inbox!r}"
            self.inbox += data
        found, _, self.inbox = self.inbox.partition(mark)
        return found + mark

    def read_exactly(self, size: int) -> bytes:
        while len(self.inbox) < size:
            data = self.receive()
            assert data, f"the end came after {len(self.inbox)} of {size} bytes"
            self.inbox += data
        found, self.inbox = self.inbox[:size], self.inbox[size:]
        return found

    def reply(self, method: str = "GET") -> Reply:
        """The next reply; its body is as long as its head says."""
        head = self.read_until(b"\r\n\r\n")[:-4]
        reply = Reply(head, b"")
        if method == "HEAD" or reply.status < 200 or reply.status in (204, 304):
            return reply
        assert "transfer-encoding" not in reply
        return Reply(head, self.read_exactly(int(reply["content-length"])))

    def rest(self) -> bytes:
        """Everything up to the end."""
        while data := self.receive():
            self.inbox += data
        found, self.inbox = self.inbox, b""
        return found

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()


def get(path: str = "/", *fields: str, version: str = "HTTP/1.1") -> bytes:
    """A GET request with a Host field."""
    lines = [f"GET {path} {version}", "Host: a", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(body: bytes, *fields: str, path: str = "/") -> bytes:
    """A POST request with a Content-Length."""
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(body: bytes, *fields: str, path: str = "/") -> bytes:
    """A POST request whose chunked body is `body`, as it stands on the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def mirror_app() -> tether.App:
    app = tether.App()

    def mirror(request: tether.Request, rest: str = "") -> dict[str, Any]:
        return {
            "method": request.method,
            "target": request.target,
            "rest": rest,
            "fields": request.headers.fields,
            "body": request.body.decode("latin-1"),
        }

    app.route("/", methods=("GET", "POST"))(mirror)
    app.route("/{rest}", methods=("GET", "POST"))(mirror)
    return app


Serve = Callable[..., LiveServer]
