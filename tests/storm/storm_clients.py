"""The clients of the storm: bare sockets on the standard library's loop, in a process of their own.

Run as `storm_clients.py ADDRESS COUNT AT_ONCE SEED`; prints one line of JSON. Knows the server only
by its address.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
from collections import Counter
from typing import Any

from tests.storm.storm_wire import (
    CLOSE,
    KILLED,
    METERS,
    STYLES,
    TEXT,
    Foreign,
    Frames,
    check_head,
    handshake,
    masked,
    read_number,
)

WAYS = ("close", "fin", "reset", "mid-frame", "mid-handshake", "early", "silent", "vanish")
"""How a client leaves; `early`: before it read a byte, `vanish`: without a packet."""

PATIENCE = 30.0
TCP_REPAIR = 19


class Visit:
    """One client from its connect until it left."""

    def __init__(self, address: str, number: int, seed: int, counts: Counter[str]) -> None:
        self.random = random.Random(f"{seed} {number}")
        self.address = address
        self.counts = counts
        self.token = f"{seed}.{number}.{self.random.randrange(1 << 32):08x}"
        self.way = WAYS[number % len(WAYS)]
        # Every second one is a client of the hub; the others take the styles in turn.
        kinds = ("hub", *STYLES)
        turn = number // len(WAYS)
        self.style = "hub" if turn % 2 else kinds[(turn // 2) % len(kinds)]
        self.meter = number % METERS
        self.expected = 0
        self.is_chosen = False
        self.close_code: int | None = None
        self.received = 0
        self.socket = socket.socket()
        self.socket.setblocking(False)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        host, port = self.address.split(":")
        try:
            if self.way == "silent":
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(self.socket, (host, int(port)))
            await self.live(loop)
            self.counts[f"left: {self.way}"] += 1
        finally:
            self.socket.close()

    async def live(self, loop: asyncio.AbstractEventLoop) -> None:
        path, protocol = f"/storm/{self.style}/{self.token}", ""
        if self.style == "hub":
            path, protocol = "/ws", "tether.v1"
        elif self.style == "handler":
            path = f"/handler/{self.token}"
        request = handshake(path, self.address, self.token, protocol)
        if self.way == "mid-handshake":
            await loop.sock_sendall(self.socket, request[: self.random.randrange(1, len(request))])
            await self.leave_roughly()
            return
        # Some do not wait for the answer before they speak.
        first = self.first_words()
        is_eager = self.random.random() < 0.3
        await loop.sock_sendall(self.socket, request + (first if is_eager else b""))
        if self.way == "early":
            await self.leave_roughly()
            return
        reading = asyncio.create_task(self.read(loop))
        try:
            if not is_eager:
                await loop.sock_sendall(self.socket, first)
            await asyncio.wait([reading], timeout=self.random.uniform(0.02, 0.2))
            await loop.sock_sendall(self.socket, masked(self.last_words()))
            await asyncio.wait([reading], timeout=self.random.uniform(0.0, 0.1))
            await self.leave(loop, reading)
        except (BrokenPipeError, ConnectionResetError):
            self.counts["cut while sending"] += 1
            await reading
        finally:
            await stop(reading)

    async def leave(self, loop: asyncio.AbstractEventLoop, reading: asyncio.Task[None]) -> None:
        if reading.done():
            self.counts["left after the server"] += 1
            return
        if self.way == "close":
            await loop.sock_sendall(self.socket, masked(struct.pack(">H", 1000), CLOSE))
            await reading
            if self.close_code is None:
                raise Foreign("the close was not answered")
        elif self.way == "fin":
            self.socket.shutdown(socket.SHUT_WR)
            await reading
        elif self.way == "mid-frame":
            frame = masked(self.last_words())
            await loop.sock_sendall(self.socket, frame[: self.random.randrange(1, len(frame))])
            await stop(reading)
            await self.leave_roughly()
        else:
            await stop(reading)
            if self.way == "silent":
                await asyncio.sleep(self.random.uniform(0.2, 0.8))
            self.cut("vanish" if self.way == "vanish" else "reset")

    async def leave_roughly(self) -> None:
        await asyncio.sleep(self.random.choice((0.0, 0.0, 0.05)))
        self.cut(self.random.choice(("fin", "reset", "vanish")))

    def cut(self, how: str) -> None:
        """Leave with FIN, with RST, or, where the system allows it, without any packet."""
        if how == "vanish":
            try:
                self.socket.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
                self.counts["vanished without a packet"] += 1
            except OSError:
                how = "reset"
        if how == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def first_words(self) -> bytes:
        if self.style != "hub":
            return b""
        meter = f"meter-{self.meter}"
        subscribe = {"id": self.token, "type": "subscribe", "devices": [meter]}
        return masked(json.dumps(subscribe).encode())

    def last_words(self) -> bytes:
        if self.style != "hub":
            return f"{self.token} end".encode()
        get = {"id": f"{self.token} get", "type": "get", "device": f"meter-{self.meter}"}
        return json.dumps(get).encode()

    async def read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check every byte until the server closes the connection."""
        head = b""
        frames = Frames()
        while b"\r\n\r\n" not in head:
            data = await self.receive(loop)
            if not data:
                raise Foreign(f"no answer to the handshake, but {head!r}")
            head += data
        head, _, data = head.partition(b"\r\n\r\n")
        check_head(head, self.token)
        self.counts["opened"] += 1
        while True:
            for opcode, payload in frames.feed(data):
                self.counts["frames"] += 1
                self.check(opcode, payload)
            data = await self.receive(loop)
            if not data:
                break
        if len(frames) and data is not None:
            raise Foreign(f"the end came {len(frames)} bytes into a frame")

    async def receive(self, loop: asyncio.AbstractEventLoop) -> bytes | None:
        """The next bytes, b"" at the end, None where the connection was reset."""
        try:
            data = await loop.sock_recv(self.socket, 1 << 16)
        except ConnectionResetError:
            self.counts["reset by the server"] += 1
            return None
        self.counts["bytes"] += len(data)
        return data

    def check(self, opcode: int, payload: bytes) -> None:
        if self.close_code is not None:
            raise Foreign(f"a frame after the close frame: {payload[:80]!r}")
        if opcode == CLOSE:
            self.check_close(payload)
        elif opcode != TEXT:
            raise Foreign(f"nobody sends frames of kind {opcode} here")
        elif self.style == "hub":
            self.check_hub(json.loads(payload))
        else:
            number = read_number(self.token, payload.decode())
            if number != self.expected:
                raise Foreign(f"push {number} of {self.token}, expected {self.expected}")
            self.expected += 1

    def check_close(self, payload: bytes) -> None:
        self.close_code = int.from_bytes(payload[:2], "big")
        reason = payload[2:].decode()
        self.counts[f"close code {self.close_code}"] += 1
        # 1001 answers a client that left without a word.
        if self.close_code not in (KILLED, 1000, 1001, 1011):
            raise Foreign(f"closed with {self.close_code} {reason}")
        if reason != (self.token if self.close_code == KILLED else ""):
            raise Foreign(f"closed for a reason of another: {reason}")

    def check_hub(self, message: dict[str, Any]) -> None:
        if message["type"] == "result":
            if message["id"] not in (self.token, f"{self.token} get") or not message["ok"]:
                raise Foreign(f"an answer for another: {message}")
            self.is_chosen = True
            states = [message["state"]] if "state" in message else []
        elif message["type"] == "snapshot":
            states = [device["state"] for device in message["devices"]]
        elif message["type"] == "states":
            states = message["states"]
        else:
            raise Foreign(f"unexpected: {message}")
        for state in states:
            meter = int(state["device"].removeprefix("meter-"))
            if self.is_chosen and meter != self.meter:
                raise Foreign(f"not subscribed to {state['device']}")
            if int(state["value"]) % METERS != meter:
                raise Foreign(f"the value of another device: {state}")


async def stop(reading: asyncio.Task[None]) -> None:
    """End the reading before its socket is closed; what it found wrong is raised."""
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading


async def storm(address: str, count: int, at_once: int, seed: int) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    problems: list[str] = []
    numbers = iter(range(count))

    async def keep_coming() -> None:
        for number in numbers:
            visit = Visit(address, number, seed, counts)
            try:
                async with asyncio.timeout(PATIENCE):
                    await visit.run()
            except Exception as error:
                problems.append(f"{visit.token} {visit.style} {visit.way}: {error!r}")

    await asyncio.gather(*(keep_coming() for _ in range(at_once)))
    return {"counts": counts, "problems": problems[:20]}


if __name__ == "__main__":
    arguments = sys.argv
    print(
        json.dumps(
            asyncio.run(
                storm(arguments[1], int(arguments[2]), int(arguments[3]), int(arguments[4]))
            )
        )
    )
