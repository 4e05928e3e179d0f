"""A TLS session is gone on with: a shorter handshake, where both sides agree."""

from __future__ import annotations

import asyncio
import ssl

import pytest

import tether
from tests.certificates import NAME, client_context, server_context

pytestmark = pytest.mark.usefixtures("way")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_gone_on_with_and_another_context_refuses_it(version: ssl.TLSVersion) -> None:
    async def main() -> None:
        served, context = server_context(), client_context()
        context.maximum_version = version

        async def greet(stream: tether.Stream) -> None:
            await stream.start_tls(served, server_side=True)
            await stream.send(b"hello")

        async def visit(session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession]:
            async with await tether.connect(listener.address) as stream:
                tls = await stream.start_tls(context, server_hostname=NAME, session=session)
                assert await stream.readexactly(5) == b"hello"  # TLS 1.3 sends tickets before it
                assert tls.session is not None
                return tls.session_reused, tls.session

        async with tether.listen("127.0.0.1:0", greet) as listener:
            first, session = await visit(None)
            again, _ = await visit(session)
            assert (first, again) == (False, True)
            context = client_context()
            with pytest.raises(ValueError, match="SSLContext"):
                await visit(session)

    tether.run(main())


def test_a_session_refused_by_the_server_is_a_whole_handshake() -> None:
    async def main() -> None:
        context = client_context()

        async def session_with(
            served: ssl.SSLContext, session: ssl.SSLSession | None
        ) -> tuple[bool | None, ssl.SSLSession | None]:
            accepted: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
            async with (
                tether.listen("127.0.0.1:0", accepted.set_result) as listener,
                await tether.connect(listener.address) as stream,
            ):
                shaking = stream.start_tls(context, server_hostname=NAME, session=session)
                server = await accepted
                tls, _ = await asyncio.gather(shaking, server.start_tls(served, server_side=True))
                server.send(b"x")
                assert await stream.readexactly(1) == b"x"
                server.close()
                return tls.session_reused, tls.session

        _, session = await session_with(server_context(), None)
        reused, _ = await session_with(server_context(), session)
        assert not reused

    tether.run(main())
