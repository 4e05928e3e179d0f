"""Two streams that are connected to each other, and what each of them promises to its user.

Whatever the one takes, the other receives: in order, each byte once, up to the close. What does not
hold is noted in `faults`. Knows no hypothesis.
"""

from __future__ import annotations

import asyncio
from typing import Any

import tether
from tether.engine.lifecycle import OPEN

WRITE_HIGH, WRITE_LOW, READ_HIGH = 65536, 16384, 65536


class Side:
    """One end of a connection, and who uses it."""

    def __init__(self, loop: tether.Loop, stream: tether.Stream, faults: list[str]) -> None:
        self.loop, self.stream, self.faults = loop, stream, faults
        self.taken = bytearray()  # what its `send` took, in order
        self.received = bytearray()
        self.largest = 0
        self.exactly = 0
        self.at_eof = False
        self.is_paused = False
        self.was_refused = False
        self.has_callback = False
        self.ends_at = -1
        self.end_aborts = False
        self.was_ended = ""
        self.cause: BaseException | None = None
        self.messages = 0
        self.reader: asyncio.Task[None] | None = None
        self.senders: list[asyncio.Task[None]] = []
        self.other: Side
        stream.on_drain(self.drained)

    def expect(self, promise: bool, otherwise: str) -> None:
        if not promise:
            self.faults.append(f"{otherwise} ({self.stream!r}, {self.was_ended or 'not ended'})")

    def is_open(self) -> bool:
        return self.stream.state == OPEN

    def check(self) -> None:
        """What holds at any time: memory is bounded on both sides."""
        waiting = self.stream.buffered
        self.expect(waiting < WRITE_HIGH + max(self.largest, 1), f"{waiting} bytes wait to be sent")
        unread = self.stream.bytes_received - len(self.received)
        self.expect(unread <= max(READ_HIGH, self.exactly), f"{unread} bytes wait to be read")
        self.expect(self.stream.bytes_sent <= len(self.taken), "more was sent than taken")
        if self.was_ended and self.is_open():
            self.expect(False, "open after its end")

    def message(self, size: int) -> bytes:
        """Bytes that no other message has."""
        self.messages += 1
        return (b"%08x " % self.messages * (size // 9 + 1))[:size]

    def send(self, size: int, waits: bool) -> None:
        data = self.message(size)
        outcome = self.stream.send(data)
        if outcome:
            self.expect(self.is_open(), "a closed stream took a message")
            self.taken += data
        elif self.is_open():
            self.was_refused = True
            lost = not self.has_peer()
            self.expect(self.stream.buffered >= WRITE_HIGH or lost, "refused below the mark")
        self.largest = max(self.largest, size)
        if not outcome and waits and len(self.senders) < 4:
            self.senders.append(self.loop.create_task(self.wait_to_send(outcome, data)))

    def has_peer(self) -> bool:
        return self.other.is_open()

    async def wait_to_send(self, outcome: Any, data: bytes) -> None:
        waited = self.is_open()
        try:
            await outcome
        except (tether.NetworkError, ValueError) as error:
            self.expect(not self.is_open(), f"{error!r} while open")
            self.check_error(error, waited)
        else:
            self.taken += data

    def check_error(self, error: BaseException, waited: bool) -> None:
        """Who waits gets the cause; after an orderly close, and later, it is `Closed`."""
        if isinstance(error, tether.Closed):
            expected = self.stream.error is None or not waited
            self.expect(expected or error.__cause__ is self.stream.error, f"told {error!r}")
        else:
            known = type(error) is type(self.stream.error)
            self.expect(known, f"told {error!r}, closed with {self.stream.error!r}")

    def drained(self) -> None:
        self.expect(self.is_open(), "on_drain after the end")
        self.expect(self.stream.buffered <= WRITE_LOW, f"drained at {self.stream.buffered}")
        self.was_refused = False

    def read(self, limit: int, exactly: bool) -> None:
        if self.reader is None and not self.has_callback:
            self.exactly = max(self.exactly, limit if exactly else 0)
            reading = self.stream.readexactly(limit) if exactly else self.stream.read(limit)
            self.reader = self.loop.create_task(self.wait_to_read(reading, limit, exactly))
            self.reader.add_done_callback(self.has_read)

    async def wait_to_read(self, reading: Any, limit: int, exactly: bool) -> None:
        try:
            data = await reading
        except (tether.NetworkError, ValueError) as error:
            ended = not self.is_open() or (exactly and not self.has_peer())
            self.expect(ended, f"a read raised {error!r} while open")
            return
        self.expect(len(data) == limit if exactly else len(data) <= limit, "a read of wrong size")
        if not data and limit:
            self.eof()
        self.arrived(data)

    def has_read(self, task: asyncio.Task[None]) -> None:
        self.reader = None

    def eof(self) -> None:
        self.expect(self.at_eof or not self.has_peer(), "an end of file that nobody sent")
        self.at_eof = True
        # An orderly close loses nothing.
        if self.other.was_ended == "closed" and self.other.stream.error is None:
            self.expect(len(self.received) == len(self.other.taken), "the end of file cut it off")

    def arrived(self, data: bytes) -> None:
        start = len(self.received)
        self.received += data
        same = data == self.other.taken[start : start + len(data)]
        self.expect(same, f"received {data[:30]!r} at {start}")

    def listen(self) -> None:
        """From here on with a callback."""
        if self.reader is None and self.is_open() and not self.has_callback:
            self.has_callback = True
            self.stream.on_data(self.on_data)
            self.stream.on_eof(self.eof)

    def on_data(self, data: bytes) -> None:
        self.expect(self.is_open(), "on_data after the end")
        self.expect(not self.is_paused, "on_data while paused")
        self.expect(bool(data), "on_data without data")
        self.arrived(data)
        if 0 <= self.ends_at <= len(self.received):
            self.end(self.end_aborts, None)

    def pause(self, resumes: bool) -> None:
        if self.is_open():
            self.is_paused = not resumes
            self.stream.resume_reading() if resumes else self.stream.pause()

    def end(self, aborts: bool, cause: BaseException | None) -> None:
        if self.is_open():
            self.was_ended = "aborted" if aborts else "closed"
            self.cause = cause
        (self.stream.abort if aborts else self.stream.close)(cause)
        self.expect(not self.is_open(), "open after its end")

    def is_expecting(self) -> bool:
        """Whether more has to come to its callback."""
        return (
            self.has_callback
            and self.is_open()
            and not self.is_paused
            and self.has_peer()
            and len(self.received) < len(self.other.taken)
        )

    def tasks(self) -> list[asyncio.Task[None]]:
        self.senders = [task for task in self.senders if not task.done()]
        return [*self.senders, *([self.reader] if self.reader is not None else [])]


async def sides(loop: tether.Loop, address: str, faults: list[str]) -> tuple[Side, Side]:
    """Both ends of a new connection, or of a pair."""
    if address == "pair":
        return two_sides(loop, *tether.pair(owner=loop.scope), faults)
    accepted: asyncio.Future[tether.Stream] = loop.create_future()
    listener = tether.listen(address, accepted.set_result)
    near = await tether.connect(listener.address)
    far = await accepted
    loop.scope.own(far)
    listener.close()
    await listener.wait_closed()
    return two_sides(loop, near, far, faults)


def two_sides(
    loop: tether.Loop, near: tether.Stream, far: tether.Stream, faults: list[str]
) -> tuple[Side, Side]:
    """What uses the two streams."""
    first, second = Side(loop, near, faults), Side(loop, far, faults)
    first.other, second.other = second, first
    return first, second
