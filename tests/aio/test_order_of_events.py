"""What was ready before the loop looked for events runs before what the events bring."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from tests.aio.both_loops import Bytes, Datagrams, LoopFactory, on_both, passes


@on_both
def test_a_callback_comes_before_the_datagram_that_was_sent_after_it(factory: LoopFactory) -> None:
    loop = factory()
    transport, protocol = loop.run_until_complete(
        loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    )
    seen: list[bool] = []

    async def main() -> None:
        seen.append(protocol.got.empty())
        assert (await protocol.got.get())[0] == b"x"

    transport.sendto(b"x", transport.get_extra_info("sockname"))
    loop.run_until_complete(main())
    assert seen == [True]
    transport.close()
    loop.run_until_complete(protocol.over)
    loop.run_until_complete(passes())
    loop.close()


@on_both
def test_a_callback_comes_before_the_bytes_of_a_pipe(factory: LoopFactory) -> None:
    loop = factory()
    here, there = os.pipe()
    file: Any = os.fdopen(here, "rb", 0)
    transport, protocol = loop.run_until_complete(loop.connect_read_pipe(Bytes, file))
    seen: list[bytes] = []

    async def main() -> None:
        seen.append(bytes(protocol.got))
        await asyncio.wait_for(protocol.over, 10)

    os.write(there, b"x")
    os.close(there)
    loop.run_until_complete(main())
    assert seen == [b""]
    assert protocol.got == b"x"
    transport.close()
    loop.run_until_complete(passes())
    loop.close()
