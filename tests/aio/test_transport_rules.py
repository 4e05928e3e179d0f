"""asyncio's rules for transports hold: each test passes on asyncio's own loop as well."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import socket

import pytest

from tests.aio.recorder import Recorder, Run, connected, read_all, reset
from tests.watch import Reports


def test_the_protocol_hears_everything_once_and_in_order(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        with await connected(protocol) as peer:
            peer.send(b"hello")
            await protocol.data
            peer.shutdown(socket.SHUT_WR)
            await protocol.lost
        assert protocol.calls == [
            "connection_made",
            "data_received",
            "eof_received",
            "connection_lost",
        ]
        assert protocol.error is None

    run(main)


def test_a_protocol_that_keeps_it_open_may_write_after_the_end_of_file(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder(eof_received=lambda _: True)
        with await connected(protocol) as peer:
            peer.shutdown(socket.SHUT_WR)
            await protocol.ended
            protocol.transport.write(b"still here")
            protocol.transport.close()
            assert await read_all(peer) == b"still here"
        await protocol.lost
        assert protocol.error is None

    run(main)


def test_a_reset_is_told_with_the_systems_error(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        reset(await connected(protocol))
        await protocol.lost
        assert isinstance(protocol.error, ConnectionResetError)
        assert protocol.error.errno == errno.ECONNRESET
        assert protocol.calls == ["connection_made", "connection_lost"]

    run(main)


def test_nothing_is_received_after_close_inside_a_callback(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder(data_received=lambda self, data: self.transport.close())
        with await connected(protocol) as peer:
            peer.send(b"first")
            await protocol.lost
            peer.close()
        assert protocol.calls == ["connection_made", "data_received", "connection_lost"]

    run(main)


def test_a_close_in_connection_made_ends_it_before_anything_is_read(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder(connection_made=lambda self: self.transport.close())
        with await connected(protocol) as peer:
            await protocol.lost
            assert await read_all(peer) == b""
        assert protocol.calls == ["connection_made", "connection_lost"]

    run(main)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data_received", "Fatal error: protocol.data_received() call failed."),
        ("eof_received", "Fatal error: protocol.eof_received() call failed."),
    ],
)
def test_a_protocol_that_raises_loses_its_connection(
    run: Run, reports: Reports, name: str, message: str
) -> None:
    async def main() -> None:
        def fail(*_: object) -> None:
            raise KeyError(name)

        protocol = Recorder(**{name: fail})
        with await connected(protocol) as peer:
            peer.send(b"x")
            peer.shutdown(socket.SHUT_WR)
            await protocol.lost
        assert isinstance(protocol.error, KeyError)

    run(main)
    (told,) = reports.take()
    assert message in told


@pytest.mark.parametrize("name", ["connection_made", "connection_lost"])
def test_a_protocol_that_raises_at_either_end_is_reported(
    run: Run, reports: Reports, name: str
) -> None:
    async def main() -> None:
        def fail(*_: object) -> None:
            raise KeyError(name)

        protocol = Recorder(**{name: fail})
        with await connected(protocol) as peer:
            peer.send(b"x")
            await protocol.data
            protocol.transport.close()
            assert await read_all(peer) == b""
        assert protocol.calls == ["connection_made", "data_received", "connection_lost"]

    run(main)
    (told,) = reports.take()
    assert name in told


def test_paused_reading_leaves_the_bytes_where_they_are(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        with await connected(protocol) as peer:
            transport = protocol.transport
            transport.pause_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            peer.send(b"waiting")
            other = Recorder()
            with await connected(other) as second:  # a whole exchange passes meanwhile
                second.send(b"x")
                await other.data
                other.transport.close()
                await other.lost
            assert protocol.received == b""
            transport.resume_reading()
            await protocol.data
            assert protocol.received == b"waiting"
            transport.close()
            await protocol.lost

    run(main)


def test_set_protocol_changes_who_receives(run: Run) -> None:
    async def main() -> None:
        first, second = Recorder(), Recorder()
        with await connected(first) as peer:
            first.transport.set_protocol(second)
            assert first.transport.get_protocol() is second
            peer.send(b"for the second")
            await second.data
            first.transport.close()
            await second.lost
        assert first.received == b""
        assert not first.lost.done()

    run(main)


def test_extra_information_is_there_before_and_after_the_close(run: Run) -> None:
    async def main() -> None:
        accepted: asyncio.Future[Recorder] = asyncio.get_running_loop().create_future()
        server = await asyncio.get_running_loop().create_server(
            lambda: Recorder(connection_made=accepted.set_result), "127.0.0.1", 0
        )
        name = server.sockets[0].getsockname()
        with socket.create_connection(name) as peer:
            theirs = peer.getsockname()
            protocol = await accepted
            transport = protocol.transport
            assert transport.get_extra_info("peername") == theirs
            assert transport.get_extra_info("sockname") == name
            handle = transport.get_extra_info("socket")
            assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert transport.get_extra_info("sslcontext", "none") == "none"
        await protocol.lost
        assert transport.get_extra_info("peername") == theirs
        assert transport.get_extra_info("sockname") == name
        assert handle.fileno() == -1
        server.close()

    run(main)


def test_a_closed_server_leaves_its_connections(run: Run) -> None:
    async def main() -> None:
        accepted: asyncio.Future[Recorder] = asyncio.get_running_loop().create_future()
        server = await asyncio.get_running_loop().create_server(
            lambda: Recorder(connection_made=accepted.set_result), "127.0.0.1", 0
        )
        name = server.sockets[0].getsockname()
        with socket.create_connection(name) as peer:
            protocol = await accepted
            server.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(name)
            peer.send(b"still served")
            await protocol.data
            protocol.transport.close()
            await protocol.lost

    run(main)


def test_callbacks_run_in_the_context_of_who_made_the_connection(run: Run) -> None:
    name = contextvars.ContextVar("name", default="nobody")

    async def main() -> None:
        seen: list[str] = []
        protocol = Recorder(
            connection_made=lambda _: seen.append(name.get()),
            data_received=lambda *_: seen.append(name.get()),
            connection_lost=lambda _: seen.append(name.get()),
        )
        name.set("maker")
        with await connected(protocol) as peer:
            name.set("somebody else")
            peer.send(b"x")
            await protocol.data
            protocol.transport.close()
            await protocol.lost
        assert seen[:2] == ["maker", "maker"]

    run(main)
