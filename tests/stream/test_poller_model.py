"""Descriptors opened, closed, paused and cut off at random inside of callbacks, against a model.

The model knows what was sent to whom. Whatever the poller: nobody hears a byte that was meant for
another, or after his end; nothing is lost on a connection that lives; and afterwards all is quiet.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket

import pytest

import tether
from tests.plain_sockets import reset

STEPS = 2500
MOST_OPEN = 30


class Channel:
    """A connection: a plain client, the stream at its other end, and what each should see."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.stream: tether.Stream | None = None
        self.sent = bytearray()  # by the client
        self.got = bytearray()  # by the stream
        self.answered = bytearray()  # what the stream took to send
        self.read = bytearray()  # by the client
        self.is_left = False  # by the client, in whatever way
        self.is_cut = False  # and what was on its way may be lost
        self.is_closed_here = False
        self.is_paused = False
        self.closed = 0

    def check_client(self) -> bool:
        """Read what there is; whether there was something."""
        try:
            data = self.client.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            assert self.is_closed_here
            return False
        start = len(self.read)
        assert data == self.answered[start : start + len(data)]
        self.read += data
        assert data or self.is_closed_here or self.is_left
        return bool(data)


class Pair:
    """Two sockets, one of them with asyncio's reader."""

    def __init__(self) -> None:
        self.left, self.right = socket.socketpair()
        self.left.setblocking(False)
        self.right.setblocking(False)
        self.sent = bytearray()
        self.got = bytearray()
        self.is_read = False


class World:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        self.loop = loop
        self.scope = tether.Scope()
        self.channels: list[Channel] = []
        self.names: dict[str, Channel] = {}
        self.ended: list[Channel] = []
        self.pairs: list[Pair] = []
        self.steps = STEPS
        self.done = asyncio.Event()
        self.listener = tether.listen("127.0.0.1:0", self.on_stream)
        host, port = self.listener.address.split(":")
        self.address = (host, int(port))

    # What the loop calls, and what each callback checks.

    def on_stream(self, stream: tether.Stream) -> None:
        channel = self.names.pop(stream.peer)
        assert channel.stream is None
        channel.stream = stream
        stream.on_data(lambda data: self.on_data(channel, data))
        stream.on_drain(lambda: self.on_drain(channel))
        stream.on_close(lambda cause: self.on_close(channel, cause))
        self.act()

    def on_data(self, channel: Channel, data: bytes) -> None:
        assert not channel.is_closed_here
        assert not channel.is_paused
        assert not channel.closed
        start = len(channel.got)
        assert data == channel.sent[start : start + len(data)]
        channel.got += data
        self.act()

    def on_drain(self, channel: Channel) -> None:
        assert not channel.is_closed_here
        assert not channel.closed
        self.act()

    def on_close(self, channel: Channel, cause: BaseException | None) -> None:
        channel.closed += 1
        assert channel.closed == 1
        if channel.is_closed_here:
            pass
        elif cause is None:
            assert channel.is_left
            assert channel.got == channel.sent
        else:
            assert channel.is_cut
            assert isinstance(cause, tether.ConnectionClosed)
        self.act()

    def on_pair(self, pair: Pair) -> None:
        assert pair.is_read
        data = pair.right.recv(self.random.choice([1, 7, 65536]))
        start = len(pair.got)
        assert data == pair.sent[start : start + len(data)]
        pair.got += data
        self.act()

    # What happens at random.

    def act(self) -> None:
        for _ in range(self.random.choice([0, 1, 1, 2, 4])):
            if self.steps <= 0:
                self.done.set()
                return
            self.steps -= 1
            step, weight = zip(*WEIGHTS.items(), strict=True)
            (chosen,) = self.random.choices(step, weight)
            chosen(self)

    def some(self) -> Channel | None:
        return self.random.choice(self.channels) if self.channels else None

    def open(self) -> None:
        if len(self.channels) >= MOST_OPEN:
            return
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(self.address)
        channel = Channel(client)
        self.channels.append(channel)
        self.names["{}:{}".format(*client.getsockname())] = channel

    def send(self) -> None:
        channel = self.some()
        if channel is None or channel.is_left:
            return
        data = self.random.randbytes(self.random.choice([1, 100, 5000, 200_000]))
        with contextlib.suppress(BlockingIOError, ConnectionError):
            taken = channel.client.send(data)
            channel.sent += data[:taken]

    def answer(self) -> None:
        channel = self.some()
        if channel is None or channel.stream is None or channel.closed or channel.is_closed_here:
            return
        data = self.random.randbytes(self.random.choice([1, 100, 20_000, 300_000]))
        if channel.stream.send(data):
            channel.answered += data

    def take(self) -> None:
        channel = self.some()
        if channel is not None and not channel.is_left:
            channel.check_client()

    def pause(self) -> None:
        channel = self.some()
        if channel is None or channel.stream is None or channel.stream.state != "open":
            return
        if channel.is_paused:
            channel.is_paused = False
            channel.stream.resume_reading()
        else:
            channel.is_paused = True
            channel.stream.pause()

    def close(self) -> None:
        channel = self.some()
        if channel is None or channel.stream is None:
            return
        channel.is_closed_here |= not channel.closed
        self.channels.remove(channel)
        self.ended.append(channel)
        (channel.stream.close if self.random.random() < 0.5 else channel.stream.abort)()

    def half_close(self) -> None:
        channel = self.some()
        if channel is not None and channel.stream is not None and not channel.is_left:
            with contextlib.suppress(OSError):  # reset by the other side meanwhile
                channel.client.shutdown(socket.SHUT_WR)
            channel.is_left = True

    def leave(self) -> None:
        channel = self.some()
        if channel is None or channel.stream is None:
            return
        # What it has not read resets the connection.
        channel.is_left = channel.is_cut = True
        self.channels.remove(channel)
        self.ended.append(channel)
        if self.random.random() < 0.5:
            reset(channel.client)
        else:
            channel.client.close()

    def open_pair(self) -> None:
        if len(self.pairs) < MOST_OPEN // 3:
            pair = Pair()
            self.pairs.append(pair)
            self.read_pair(pair)

    def read_pair(self, pair: Pair) -> None:
        pair.is_read = True
        self.loop.add_reader(pair.right, self.on_pair, pair)

    def use_pair(self) -> None:
        if not self.pairs:
            return
        pair = self.random.choice(self.pairs)
        kind = self.random.random()
        if kind < 0.6:
            data = self.random.randbytes(self.random.choice([1, 1000]))
            with contextlib.suppress(BlockingIOError):
                pair.sent += data[: pair.left.send(data)]
        elif kind < 0.8 and pair.is_read:
            self.loop.remove_reader(pair.right)
            pair.is_read = False
        elif kind < 0.9:
            self.read_pair(pair)
        else:
            self.loop.remove_reader(pair.right)
            pair.is_read = False
            self.pairs.remove(pair)
            pair.left.close()
            pair.right.close()

    # How it ends.

    async def settle(self) -> None:
        """Whoever is there gets all that was sent to him, and whoever left is noticed."""
        for channel in [*self.channels, *self.ended]:
            if channel.is_paused and channel.stream is not None and channel.stream.state == "open":
                channel.is_paused = False
                channel.stream.resume_reading()
        for pair in self.pairs:
            self.read_pair(pair)
        async with asyncio.timeout(20):
            while not self.is_settled():
                for channel in self.channels:
                    while channel.check_client():
                        pass
                await asyncio.sleep(0.001)

    def is_settled(self) -> bool:
        return (
            not self.names
            and all(self.is_complete(channel) for channel in self.channels)
            and all(channel.closed for channel in self.ended)
            and all(pair.got == pair.sent for pair in self.pairs)
        )

    @staticmethod
    def is_complete(channel: Channel) -> bool:
        if channel.got != channel.sent or channel.read != channel.answered:
            return False
        return bool(channel.closed) == channel.is_left

    def end(self) -> None:
        for channel in [*self.channels, *self.ended]:
            channel.is_closed_here = True
            channel.client.close()
        for pair in self.pairs:
            self.loop.remove_reader(pair.right)
            pair.left.close()
            pair.right.close()


WEIGHTS = {
    World.open: 12,
    World.send: 30,
    World.answer: 20,
    World.take: 30,
    World.pause: 10,
    World.close: 4,
    World.half_close: 2,
    World.leave: 4,
    World.open_pair: 3,
    World.use_pair: 20,
}


async def live(seed: int) -> None:
    world = World(seed)
    ticking = world.scope.every(0.0005, world.act)
    async with asyncio.timeout(60):
        await world.done.wait()
    ticking.cancel()
    await world.settle()
    before = world.loop.counts.passes
    await asyncio.sleep(0.1)
    assert world.loop.counts.passes - before <= 3
    world.end()
    world.listener.close()
    await world.listener.wait_closed()


@pytest.mark.parametrize("seed", range(6))
def test_a_random_life_of_many_connections(poller: str, seed: int) -> None:
    tether.run(live(seed))
