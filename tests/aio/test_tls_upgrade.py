"""`loop.start_tls`: a connection changes to TLS in the middle, or fails to."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

import tether
from tests.aio.tls_served import ADDRESS, Echo, Recorder
from tests.certificates import NAME, client_context, server_context
from tests.plain_sockets import receive_all

pytestmark = pytest.mark.usefixtures("way")


def test_start_tls_takes_the_connection_over() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        class Upgrading(Echo):
            def data_received(self, data: bytes) -> None:
                if data == b"STARTTLS":
                    self.transport.write(b"OK")
                    self.upgrade = asyncio.ensure_future(self.go_on())
                else:
                    self.transport.write(data)

            async def go_on(self) -> None:
                upgraded = await loop.start_tls(
                    self.transport, self, server_context(), server_side=True
                )
                assert upgraded is not None
                self.transport = upgraded

        server = await loop.create_server(Upgrading, ADDRESS, 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            plain, recorder = await loop.create_connection(Recorder, ADDRESS, port)
            plain.write(b"STARTTLS")
            while recorder.received != b"OK":
                await asyncio.sleep(0)
            recorder.received = b""
            transport = await loop.start_tls(
                plain, recorder, client_context(), server_hostname=NAME
            )
            assert transport is not None
            transport.write(b"secret")
            while recorder.received != b"secret":
                await asyncio.sleep(0)
            assert recorder.told == ["made"]
            transport.close()
            assert await recorder.lost is None

    tether.run(main())


@pytest.mark.parametrize("failure", ["cancel", "refused"])
def test_start_tls_that_fails(failure: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server((ADDRESS, 0)) as listening:
            plain, recorder = await loop.create_connection(
                Recorder, ADDRESS, listening.getsockname()[1]
            )
            connection, _ = listening.accept()
            starting = asyncio.ensure_future(
                loop.start_tls(plain, recorder, client_context(), server_hostname=NAME)
            )
            await asyncio.sleep(0.01)
            if failure == "cancel":
                starting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await starting
            else:
                connection.sendall(b"no TLS here\r\n")
                with pytest.raises(ssl.SSLError):
                    await starting
            connection.settimeout(10)
            assert await tether.to_thread(receive_all, connection)
            connection.close()

    tether.run(main())
