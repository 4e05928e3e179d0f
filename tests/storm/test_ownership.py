"""Whatever closes whatever, inside whatever callback: nothing of a closed object runs any more.

Many objects are hit in one pass of the loop; each closes itself, a sibling, the server or the
server's owner. Afterwards nothing is left, and whoever was not closed is served.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import pytest

import tether
from tests.storm.storm_house import TARGETS, Client, House, Logged, all_of, held, until

COUNT = 48
BIG = b"x" * 65536
ALL = list(range(COUNT))


def by_timer_every(house: House, clients: list[Client]) -> None:
    for guest in house.guests.values():
        guest.ws.every(0.001, guest.hit)


def by_timer_after(house: House, clients: list[Client]) -> None:
    for guest in house.guests.values():
        guest.ws.after(0, guest.hit)


def by_message(house: House, clients: list[Client]) -> None:
    for guest in house.guests.values():
        guest.ws.on_message(guest.answer)
    by_words(house, clients)


def by_words(house: House, clients: list[Client]) -> None:
    for client in clients:
        client.say(b"hello")


def by_task(house: House, clients: list[Client]) -> None:
    for guest in house.guests.values():
        guest.ws.spawn(guest.run())


def by_close(house: House, clients: list[Client]) -> None:
    for number, guest in house.guests.items():
        guest.ws.on_close(lambda _, number=number, ws=guest.ws: house.hit(number, ws, "closed"))
    for number in ALL[::2]:
        house.guests[number].ws.close()


def by_drain(house: House, clients: list[Client]) -> None:
    for guest in house.guests.values():
        guest.ws.on_drain(guest.hit)
    for client in clients:
        client.swallow()


TRIGGERS: dict[str, Callable[[House, list[Client]], None]] = {
    "every": by_timer_every,
    "after": by_timer_after,
    "message": by_message,
    "task": by_task,
    "drain": by_drain,
    "on_close": by_close,
    "handler": by_words,
}


@pytest.fixture(autouse=True)
def logged() -> Iterator[Logged]:
    """At the end of the test nothing was logged."""
    handler = Logged()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    assert handler.lines == []


def run(target: str, test: Callable[[House], Coroutine[Any, Any, None]]) -> None:
    """Run a test on a loop of its own, which holds nothing afterwards that it did not before."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        await tether.to_thread(int)  # the executor's thread is there from now on
        before = held(loop)
        house = House(target)
        try:
            await test(house)
        finally:
            for client in house.clients:
                client.close()
        assert house.late == []
        assert held(loop) == before

    tether.run(main())


async def open_guests(house: House, path: str) -> list[Client]:
    clients = house.come(COUNT)
    for number, client in enumerate(clients):
        client.upgrade(f"/{path}/{number}")
    await until(lambda: len(house.guests) == COUNT)
    return clients


async def fill(house: House) -> None:
    """Send to every guest until it takes no more, so that each waits to be drained."""
    refusals = 0
    while refusals < 3:
        taken = [bool(guest.ws.send(BIG)) for guest in house.guests.values()]
        refusals = 0 if any(taken) else refusals + 1
        await asyncio.sleep(0)


async def leave(
    house: House, clients: list[Client], hear_out: Callable[[Client], object] = Client.hear_out
) -> None:
    """Close the house; every client sees the end of its connection."""
    house.owner.close()
    await all_of(clients, hear_out)
    await house.owner.wait_closed()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("callback", TRIGGERS)
def test_close_inside_a_callback_of_a_session(callback: str, target: str) -> None:
    async def test(house: House) -> None:
        async with house.app().listen("127.0.0.1:0", owner=house.owner) as house.server:
            clients = await open_guests(house, "driven" if callback == "handler" else "guest")
            if callback == "drain":
                await fill(house)
            TRIGGERS[callback](house, clients)
            await check_sessions(house, clients, callback)
            await leave(house, clients)
        assert [guest.closed for guest in house.guests.values()] == [1] * COUNT

    run(target, test)


async def check_sessions(house: House, clients: list[Client], callback: str) -> None:
    """What was hit, who is left, and that whoever is left is served."""
    stays: set[int] = set()
    if callback == "on_close":
        # The even ones were closed by the test; they closed themselves again, or all others.
        expected = set(ALL[::2]) if house.target == "self" else set(ALL)
        stays = set(ALL) - expected
        await all_of([clients[number] for number in expected], Client.hear_out)
        await until(lambda: len(house.hits) == len(expected))
        assert sorted(house.hits) == sorted(expected)
    elif house.target == "self":
        await all_of(clients, Client.hear_out)
        assert sorted(house.hits) == ALL
    elif house.target == "sibling":
        # Whoever of a pair came first closed the other, which heard nothing of it any more.
        await until(lambda: len(set(house.hits)) == COUNT // 2)
        stays = set(house.hits)
        assert {number // 2 for number in stays} == set(range(COUNT // 2))
        await all_of([clients[number] for number in set(ALL) - stays], Client.hear_out)
    else:
        # The first one closed everybody.
        await all_of(clients, Client.hear_out)
        assert len(house.hits) == 1
        await until(lambda: house.server.state == "closed")
    assert {n for n in ALL if house.guests[n].ws.state == "open"} == stays
    for number in stays:
        clients[number].say(b"still here")
    await all_of([clients[number] for number in stays], lambda client: client.hear(b"still here"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("form", ["plain", "async"])
def test_close_inside_a_request(form: str, target: str) -> None:
    async def test(house: House) -> None:
        async with house.app().listen("127.0.0.1:0", owner=house.owner) as house.server:
            guests = await open_guests(house, "guest")
            clients = house.come(COUNT)
            for number, client in enumerate(clients):
                client.ask(f"/{form}/{number}")
            # Each gets an answer or the end of its connection: nobody is left hanging.
            answers = await all_of(clients, Client.answer)
            if target in ("self", "sibling"):
                assert sorted(house.hits) == ALL
            else:
                assert house.hits
                assert set(answers) <= {b"", b"HTTP/1.1 200 OK"}
                await all_of(guests, Client.hear_out)
                await until(lambda: house.server.state == "closed")
            if target == "sibling":
                assert answers == [b"HTTP/1.1 200 OK"] * COUNT
                await all_of(guests, Client.hear_out)
                await until(lambda: all(guest.closed for guest in house.guests.values()))
            await leave(house, guests + clients)

    run(target, test)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("callback", ["accept", "data"])
def test_close_inside_a_callback_of_a_stream(callback: str, target: str) -> None:
    async def test(house: House) -> None:

        def answer(stream: tether.Stream, number: int, data: bytes) -> None:
            if callback == "data":
                house.hit(number, stream)
            stream.send(data)

        def accept(stream: tether.Stream) -> None:
            number = len(house.streams)
            house.streams.append(stream)
            stream.on_data(partial(answer, stream, number))
            if callback == "accept":
                house.hit(number, stream)

        house.server = tether.listen("127.0.0.1:0", accept, owner=house.owner)
        clients = house.come(COUNT)
        if callback == "data":
            await until(lambda: len(house.streams) == COUNT)
            for number, client in enumerate(clients):
                client.socket.sendall(b"%d" % number)
        await check_streams(house, clients, callback)
        await leave(house, clients)

    run(target, test)


async def check_streams(house: House, clients: list[Client], callback: str) -> None:
    """As `check_sessions`; a stream's number is that of its client, in the order of connecting."""
    if house.target == "self":
        await all_of(clients, Client.hear_out)
        assert sorted(house.hits) == ALL
    elif house.target != "sibling":
        await all_of(clients, Client.hear_out)
        assert len(house.hits) == 1
        await until(lambda: house.server.state == "closed")
    elif callback == "accept":
        # Each second one closed the one before it.
        await until(lambda: len(house.hits) == COUNT)
        await all_of(clients[::2], Client.hear_out)
        for client in clients[1::2]:
            client.socket.sendall(b"still here")
        assert await all_of(clients[1::2], Client.answer) == [b"still here"] * (COUNT // 2)
    else:
        await until(lambda: len(house.hits) == COUNT // 2)
        stays = set(house.hits)
        assert {number // 2 for number in stays} == set(range(COUNT // 2))
        heard = await all_of(clients, Client.answer)
        assert heard == [b"%d" % number if number in stays else b"" for number in ALL]


def test_a_new_client_gets_a_descriptor_number_again_in_the_same_pass() -> None:
    """Old clients leave and new ones come in one pass: nobody gets the bytes of a predecessor."""

    async def test(house: House) -> None:
        numbers: dict[int, int] = {}
        used_again = 0

        def accept(stream: tether.Stream) -> None:
            nonlocal used_again
            used_again += numbers.get(stream.fileno(), 0) > 0
            numbers[stream.fileno()] = numbers.get(stream.fileno(), 0) + 1
            house.streams.append(stream)
            stream.on_data(partial(answer, stream, len(house.streams) // COUNT))

        def answer(stream: tether.Stream, wave: int, data: bytes) -> None:
            # Whoever is heard first aborts every client of the waves before, in the same pass.
            if stream.state != "open":
                house.late.append(repr(stream))
            for old in house.streams[: max(0, len(house.streams) - COUNT)]:
                old.abort()
            stream.send(data)

        house.server = tether.listen("127.0.0.1:0", accept, owner=house.owner)
        waves: list[list[Client]] = []
        for wave in range(6):
            # All of this comes in one pass: old ones speak, half of them leave, new ones come.
            for old in waves[-1] if waves else []:
                old.socket.sendall(b"<old %d>" % wave)
            for old in waves[-1][::2] if waves else []:
                old.reset()
            waves.append(house.come(COUNT))
            for number, client in enumerate(waves[-1]):
                client.socket.sendall(b"<%d %d>" % (wave, number))
            heard = await all_of(waves[-1], Client.answer)
            assert heard == [b"<%d %d>" % (wave, number) for number in ALL]
        assert used_again > COUNT
        clients = [client for wave in waves for client in wave]
        stayed = [client for client in clients if client.socket.fileno() >= 0]
        await leave(house, stayed, Client.answer)

    run("nobody", test)
