"""asyncio over TLS: the rules of its own `sslproto`, on tether's streams."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl

import pytest

import tether
from tests.aio.tls_served import ADDRESS, Recorder, Served, connect
from tests.certificates import NAME, Peer, client_context, server_context
from tests.plain_sockets import receive_all
from tests.watch import Reports

pytestmark = pytest.mark.usefixtures("way")


def test_an_echo_and_what_the_transport_knows() -> None:
    async def main() -> None:
        async with Served() as served:
            transport, recorder = await connect(served.port)
            assert type(transport).__name__ == "TlsTransport"
            for size in (1, 1000, 100_000, 1_000_000):
                recorder.received = b""
                message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
                transport.writelines([message[:10], bytearray(message[10:20])])
                transport.write(memoryview(message)[20:])
                while len(recorder.received) < size:
                    await asyncio.sleep(0)
                assert recorder.received == message
            assert isinstance(transport.get_extra_info("sslcontext"), ssl.SSLContext)
            assert isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject)
            assert transport.get_extra_info("peercert")["subjectAltName"] == (("DNS", NAME),)
            assert transport.get_extra_info("cipher")[1] == "TLSv1.3"
            assert transport.get_extra_info("compression") is None
            assert transport.get_extra_info("peername") == (ADDRESS, served.port)
            assert not transport.can_write_eof()
            with pytest.raises(NotImplementedError):
                transport.write_eof()
            assert transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)
            transport.close()
            assert await recorder.lost is None
            [server] = served.protocols
            assert await server.lost is None
            assert server.told == ["made", "eof", "lost"]

    tether.run(main())


def test_streams() -> None:
    async def main() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(handle, ADDRESS, 0, ssl=server_context())
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection(
                ADDRESS, port, ssl=client_context(), server_hostname=NAME
            )
            for number in range(100):
                writer.write(f"line {number}\n".encode())
                assert await reader.readline() == f"LINE {number}\n".encode()
            writer.close()
            await writer.wait_closed()

    tether.run(main())


def test_a_buffered_protocol() -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.memory = bytearray(1000)
            self.received = b""

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.memory

        def buffer_updated(self, nbytes: int) -> None:
            self.received += self.memory[:nbytes]

    async def main() -> None:
        async with Served() as served:
            transport, protocol = await asyncio.get_running_loop().create_connection(
                Buffered, ADDRESS, served.port, ssl=client_context(), server_hostname=NAME
            )
            message = bytes(range(256)) * 400
            transport.write(message)
            while len(protocol.received) < len(message):
                await asyncio.sleep(0)
            assert protocol.received == message
            transport.close()

    tether.run(main())


def test_a_handshake_that_fails_is_told_to_both() -> None:
    async def main() -> None:
        async with Served() as served:
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.get_running_loop().create_connection(
                    Recorder, ADDRESS, served.port, ssl=client_context(), server_hostname="other"
                )
            # The protocol of a server never hears of a connection without a handshake.
            assert served.protocols[0].told == []

    tether.run(main())


def test_the_peer_gets_the_alert() -> None:
    async def main() -> None:
        context = client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        async with Served(minimum_version=ssl.TLSVersion.TLSv1_3) as served:
            with socket.create_connection((ADDRESS, served.port)) as connection:
                connection.settimeout(10)
                with pytest.raises(ssl.SSLError, match="alert protocol version"):
                    await tether.to_thread(Peer(connection, context, NAME).shake_hands)

    tether.run(main())


@pytest.mark.parametrize("is_server", [True, False])
def test_a_silent_peer(is_server: bool) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        if is_server:
            async with Served(ssl_handshake_timeout=0.1) as served:
                with socket.create_connection((ADDRESS, served.port)) as connection:
                    connection.settimeout(10)
                    assert await tether.to_thread(receive_all, connection) == b""
                    assert served.protocols[0].told == []
            return
        with socket.create_server((ADDRESS, 0)) as listening:
            began = loop.time()
            with pytest.raises(ConnectionAbortedError, match="is taking longer than"):
                await connect(listening.getsockname()[1], ssl_handshake_timeout=0.1)
            assert 0.1 <= loop.time() - began < 1.1

    tether.run(main())


@pytest.mark.parametrize("said", [b"", b"\x16\x03"])
def test_a_peer_that_leaves_in_the_handshake(said: bytes) -> None:
    async def main() -> None:
        with socket.create_server((ADDRESS, 0)) as listening:

            def leave() -> None:
                connection, _ = listening.accept()
                connection.recv(1000)
                connection.sendall(said)
                connection.close()

            leaving = asyncio.ensure_future(tether.to_thread(leave))
            with pytest.raises(ConnectionResetError):
                await connect(listening.getsockname()[1])
            await leaving

    tether.run(main())


def test_a_peer_that_never_says_goodbye() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server((ADDRESS, 0)) as listening:

            def accept() -> Peer:
                peer = Peer(listening.accept()[0], server_context())
                peer.shake_hands()
                return peer

            accepting = asyncio.ensure_future(tether.to_thread(accept))
            transport, recorder = await connect(
                listening.getsockname()[1], ssl_shutdown_timeout=0.1
            )
            peer = await accepting
            began = loop.time()
            transport.close()
            error = await recorder.lost
            assert isinstance(error, TimeoutError)
            assert str(error) == "SSL shutdown timed out"
            assert 0.1 <= loop.time() - began < 1.1
            peer.connection.close()

    tether.run(main())


def test_the_end_cannot_be_kept_open(reports: Reports) -> None:
    async def main() -> None:
        async with Served() as served:
            transport, recorder = await connect(served.port)
            recorder.keeps_open = True
            (await served.first()).transport.close()
            assert await recorder.lost is None
            assert recorder.told == ["made", "eof", "lost"]
            assert transport.is_closing()

    tether.run(main())
    assert reports.take() == ["returning true from eof_received() has no effect when using ssl"]


def test_abort_in_the_handshake() -> None:
    async def main() -> None:
        with socket.create_server((ADDRESS, 0)) as listening:
            connecting = asyncio.ensure_future(connect(listening.getsockname()[1]))
            connection, _ = await tether.to_thread(listening.accept)
            connection.settimeout(10)
            with connection:
                assert await tether.to_thread(connection.recv, 10_000)  # its hello
                connecting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await connecting
                assert await tether.to_thread(receive_all, connection) == b""

    tether.run(main())


def test_pausing_and_resuming() -> None:
    async def main() -> None:
        async with Served() as served:
            transport, recorder = await connect(served.port)
            transport.pause_reading()
            assert not transport.is_reading()
            transport.write(b"x" * 100_000)
            while transport.get_write_buffer_size():
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            assert recorder.received == b""
            transport.resume_reading()
            while len(recorder.received) < 100_000:
                await asyncio.sleep(0)
            transport.close()

    tether.run(main())


def test_writing_is_paused_at_the_mark_and_goes_on_below_it() -> None:
    class Marked(Recorder):
        def pause_writing(self) -> None:
            self.told.append("pause")

        def resume_writing(self) -> None:
            self.told.append("resume")

    async def main() -> None:
        async with Served(Recorder) as served:
            transport, recorder = await asyncio.get_running_loop().create_connection(
                Marked, ADDRESS, served.port, ssl=client_context(), server_hostname=NAME
            )
            transport.set_write_buffer_limits(high=50_000, low=10_000)
            (await served.first()).transport.pause_reading()
            while "pause" not in recorder.told:
                transport.write(b"x" * 30_000)
            assert transport.get_write_buffer_size() > 50_000
            served.protocols[0].transport.resume_reading()
            while "resume" not in recorder.told:
                await asyncio.sleep(0)
            assert transport.get_write_buffer_size() <= 10_000
            transport.close()
            assert await recorder.lost is None
            assert recorder.told == ["made", "pause", "resume", "lost"]

    tether.run(main())


def test_a_failure_is_logged_in_debug_mode_only(caplog: pytest.LogCaptureFixture) -> None:
    async def main(debug: bool) -> list[str]:
        asyncio.get_running_loop().set_debug(debug)
        caplog.clear()
        with (
            caplog.at_level(logging.DEBUG, "asyncio"),
            socket.create_server((ADDRESS, 0)) as listening,
        ):

            def answer() -> None:
                connection, _ = listening.accept()
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                receive_all(connection)
                connection.close()

            answering = asyncio.ensure_future(tether.to_thread(answer))
            with pytest.raises(ssl.SSLError):
                await connect(listening.getsockname()[1])
            await answering
        return [record.getMessage() for record in caplog.records]

    assert not any("handshake failed" in message for message in tether.run(main(False)))
    assert any("SSL handshake failed" in message for message in tether.run(main(True)))
