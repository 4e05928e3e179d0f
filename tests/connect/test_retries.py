"""What fails is tried again, when that was asked for, and each try is told."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import tether
from tests.certificates import NAME, client_context, server_context
from tests.connect.test_failures import black_hole, closed_port
from tests.connect.test_tls import tls_server


def test_each_try_is_told() -> None:
    async def main() -> None:
        with closed_port() as address:
            with pytest.raises(tether.ConnectionRefused) as caught:
                await tether.connect(address, retries=tether.Retry(attempts=4, first=0.01))
            error = caught.value
            assert [type(one.error) for one in error.attempts] == [tether.ConnectionRefused] * 4
            assert len({id(one.error) for one in error.attempts}) == 4
            assert str(error).endswith(", attempt 4 of 4")

    tether.run(main())


def test_one_retry_after_its_time() -> None:
    async def main() -> None:
        with closed_port() as address:
            began = time.monotonic()
            retry = tether.Retry(attempts=2, first=0.15, jitter=False)
            with pytest.raises(tether.ConnectionRefused) as caught:
                await tether.connect(address, retries=retry)
            took = time.monotonic() - began
            assert 0.15 <= took < 1.15
            assert caught.value.elapsed is not None
            assert 0.15 <= caught.value.elapsed <= took

    tether.run(main())


def test_a_server_that_comes_up_meanwhile() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with closed_port() as address:
            pass
        listeners: list[tether.Listener] = []
        loop.call_later(0.05, lambda: listeners.append(tether.listen(address, lambda stream: None)))
        retry = tether.Retry(attempts=4, first=0.03, jitter=False)
        stream = await tether.connect(address, retries=retry)
        assert [type(one.error) for one in stream.attempts] == [tether.ConnectionRefused] * 2
        stream.close()
        listeners[0].close()

    tether.run(main())


def test_no_wait_that_the_deadline_would_not_outlast() -> None:
    async def main() -> None:
        with closed_port() as address:
            began = time.monotonic()
            with pytest.raises(tether.ConnectionRefused) as caught:
                retry = tether.Retry(attempts=9, first=5, jitter=False)
                await tether.connect(address, retries=retry, timeout=2)
            assert time.monotonic() - began < 1
            assert len(caught.value.attempts) == 1

    tether.run(main())


def test_the_deadline_covers_all_tries() -> None:
    async def main() -> None:
        with black_hole() as address:
            began = time.monotonic()
            retry = tether.Retry(attempts=100, first=0)
            with pytest.raises(tether.ConnectTimeout) as caught:
                await tether.connect(address, retries=retry, connect_timeout=0.06, timeout=0.2)
            assert 0.2 <= time.monotonic() - began < 1.2
            assert {type(one.error) for one in caught.value.attempts} == {tether.ConnectTimeout}
            assert 2 <= len(caught.value.attempts) <= 4

    tether.run(main())


def test_a_try_is_over_before_the_next_one_begins() -> None:
    async def main() -> None:
        owner = tether.Scope(name="owner")
        with black_hole() as address:
            retry = tether.Retry(attempts=100, first=0)
            connecting = asyncio.ensure_future(
                tether.connect(address, owner=owner, retries=retry, connect_timeout=0.01)
            )
            at_once: list[int] = []
            timer = owner.every(0.005, lambda: at_once.append(owner.tree().count("connecting ")))
            await asyncio.sleep(0.1)
            timer.cancel()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            assert max(at_once) == 1
        owner.close()

    tether.run(main())


def test_a_number_is_enough() -> None:
    async def main() -> None:
        with closed_port() as address:
            with pytest.raises(tether.ConnectionRefused) as caught:
                await tether.connect(address, retries=2)
            assert len(caught.value.attempts) == 3

    tether.run(main())


def test_what_will_not_pass_is_not_tried_again() -> None:
    async def main() -> None:
        async with tls_server(server_context("other.test")) as address:
            with pytest.raises(tether.CertificateError) as caught:
                await tether.connect(address, ssl=client_context(), server_hostname=NAME, retries=5)
            assert len(caught.value.attempts) == 1

    tether.run(main())


def test_an_owner_that_closes_ends_the_wait() -> None:
    async def main() -> None:
        scope = tether.Scope(name="owner")
        with closed_port() as address:
            retry = tether.Retry(attempts=2, first=5, jitter=False)
            trying = asyncio.ensure_future(
                tether.connect(address, owner=scope, retries=retry, timeout=None)
            )
            await asyncio.sleep(0.02)
            scope.close(KeyError("why"))
            with pytest.raises(KeyError, match="why"):
                await asyncio.wait_for(trying, 2)

    tether.run(main())


def test_the_wait_grows_to_its_cap_and_is_spread() -> None:
    steady = tether.Retry(first=0.1, factor=3, cap=1, jitter=False)
    assert [round(steady.delay(n), 3) for n in range(1, 6)] == [0.1, 0.3, 0.9, 1, 1]
    assert steady.delay(10_000) == 1
    spread = [tether.Retry(first=0.1, cap=1).delay(3) for _ in range(200)]
    assert 0 <= min(spread) < 0.1 < 0.3 < max(spread) <= 0.4


def test_settings_that_cannot_be() -> None:
    cases: list[dict[str, Any]] = [{"attempts": 0}, {"first": -1}, {"factor": 0.5}, {"cap": -1}]
    for settings in cases:
        with pytest.raises(ValueError, match=r"."):
            tether.Retry(**settings)
