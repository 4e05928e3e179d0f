"""A real device server for tests: it runs on a loop of its own in a thread, on a free port.

The test stays outside, with plain sockets and the `websockets` package as clients; what has to
happen inside the server's loop goes through `Board.call`.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

from websockets.sync.client import ClientConnection, connect

import tether
from tether.config.settings import parse
from tether.hub.devices.driver import Driver
from tether.hub.devices.model import Device, Kind, Status, Value
from tether.hub.hub import Hub
from tether.hub.server import build, limits_of

PATIENCE = 10.0
"""Seconds after which a test gives up; nothing takes this long unless it is broken."""

Result = TypeVar("Result")


class Kept(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.ERROR)
        self.records = records

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Lamp(Driver):
    """A switch whose hardware the test holds: while `gate` is clear, a write does not end."""

    def __init__(self, name: str = "lamp", kind: Kind = Kind.SWITCH) -> None:
        self.device = Device(name, name.title(), kind, interval=60.0)
        self.devices = (self.device,)
        self.gate = asyncio.Event()
        self.gate.set()
        self.value: Value = False if kind is Kind.SWITCH else 0
        self.written: list[Value] = []
        self.error: Exception | None = None

    async def read(self, device: Device) -> Value:
        return self.value

    async def write(self, device: Device, value: Value) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.written.append(value)
        self.value = value


class Meter(Driver):
    """A sensor that says what the test wants; it is read once, then the test publishes."""

    def __init__(self, name: str = "meter", value: float = 20.0, count: int = 1) -> None:
        self.devices = tuple(
            Device(
                name if count == 1 else f"{name}-{number}",
                name.title(),
                Kind.SENSOR,
                unit="°C",
                device_class="temperature",
                interval=60.0,
            )
            for number in range(count)
        )
        self.value = value

    async def read(self, device: Device) -> Value:
        return self.value


class Client:
    """One WebSocket client that reads its messages one by one."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.seen: list[dict[str, Any]] = []
        self._last_id = 0

    def receive(self, kind: str | None = None) -> dict[str, Any]:
        """The next message, of that type; what comes before it is kept in `seen`."""
        while True:
            message: dict[str, Any] = json.loads(self.connection.recv(timeout=PATIENCE))
            if kind is None or message["type"] == kind:
                return message
            self.seen.append(message)

    def send(self, **fields: Any) -> None:
        self.connection.send(json.dumps(fields))

    def ask(self, **fields: Any) -> dict[str, Any]:
        """Send a request and wait for its result."""
        self._last_id += 1
        self.send(id=self._last_id, **fields)
        return self.result(self._last_id)

    def result(self, identifier: int | str) -> dict[str, Any]:
        """The result for this id; what comes before it is kept in `seen`."""
        while True:
            message = self.receive("result")
            if message["id"] == identifier:
                return message
            self.seen.append(message)

    def state(self, device: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first pushed state of the device for which the condition holds."""
        while True:
            for state in self.receive("states")["states"]:
                found: dict[str, Any] = state
                if found["device"] == device and condition(found):
                    return found

    def close(self) -> None:
        self.connection.close()


class Reply:
    """What an HTTP request got."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Board:
    """A device server with the given drivers and `tether.toml`."""

    def __init__(
        self, drivers: Iterable[Driver] | None = None, settings: str = "", *, port: int = 0
    ) -> None:
        self.settings = parse(settings or "[hub]\nsimulated = true\n")
        self._port = port
        self.problems: list[logging.LogRecord] = []
        self._drivers = None if drivers is None else list(drivers)
        self._clients: list[Client] = []
        self._exits = ExitStack()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="device board")

    def start(self) -> Board:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        if self._failure is not None:
            raise self._failure
        # Else the first readings would come as a push that no test asked for.
        self.until(
            lambda: all(device.state().status is not Status.UNKNOWN for device in self.hub.devices)
        )
        return self

    def stop(self) -> None:
        """Stop the server; what it logged as an error is in `problems`."""
        for client in self._clients:
            with suppress(OSError):
                # Also for one that does not read: its own close would wait.
                client.connection.socket.shutdown(socket.SHUT_RDWR)
        self._exits.close()
        self.stop_serving()

    def stop_serving(self) -> None:
        """Stop the server as a signal would, with its clients connected."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        handler = Kept(self.problems)
        loggers = [logging.getLogger(name) for name in ("tether", "asyncio")]
        for logger in loggers:
            logger.addHandler(handler)
        try:
            with asyncio.Runner(loop_factory=tether.Loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self.hub = Hub(self.settings, drivers=self._drivers)
        app = build(self.settings, hub=self.hub, version="0.0.test")
        async with app.listen(f"127.0.0.1:{self._port}", **limits_of(self.settings)) as server:
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

        self._loop.call_soon_threadsafe(run)
        return future.result(PATIENCE)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds on the server's loop, which is asked again and again."""
        deadline = time.monotonic() + PATIENCE
        while not self.call(condition):
            assert time.monotonic() < deadline, "it did not come true"
            threading.Event().wait(0.01)

    def publish(self, device: str, value: Value) -> None:
        """As if the hardware had just said this."""
        self.call(lambda: self.hub.registry.publish(self.hub.get(device), value))

    def connect(self, **options: Any) -> Client:
        """A client that has not read anything yet."""
        options.setdefault("subprotocols", ["tether.v1"])
        options.setdefault("max_size", None)
        connection = self._exits.enter_context(
            connect(
                f"ws://{self.address}/ws",
                open_timeout=PATIENCE,
                close_timeout=PATIENCE,
                compression=None,
                proxy=None,
                **options,
            )
        )
        client = Client(connection)
        self._clients.append(client)
        return client

    def client(self) -> Client:
        """A client that has read its snapshot."""
        client = self.connect()
        client.receive("snapshot")
        return client

    def http(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        host: str | None = None,
    ) -> Reply:
        """One HTTP request on a connection of its own; `host` is the Host header."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", self.address if host is None else host)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body or method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def socket(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
