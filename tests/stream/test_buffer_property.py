"""Two buffers beside two bytearrays: whatever is done to both, they say the same.

References are counted until they are released, views are held while changes are tried, and
observers add up what they are told.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.properties import searching
from tests.watch import open_descriptors
from tether import Buffer

SIDE = st.integers(0, 1)
FEW = st.binary(max_size=6) | st.text("ab\r\n\0", max_size=12).map(str.encode)
MANY = st.builds(
    lambda piece, times: piece * times,
    st.sampled_from([b"a", b"ab\r\n", b"\r", b"\0bcdefghijklmnop"]),
    st.sampled_from([100, 513, 2047, 2048, 5000, 66_000]),
)
DATA = FEW | MANY
SIZE = st.integers(0, 20) | st.sampled_from([511, 2047, 2048, 4096, 5000, 65536, 10**6, 10**30])
ENDS = {
    "lf": rb"\n",
    "crlf": rb"\r\n",
    "crlf-or-lf": rb"\r?\n",
    "nul": rb"\0",
    "any": rb"\r\n|\n|\r(?!\Z)",
}
#: The bytes that may end a line.
LONGEST = {"lf": 1, "nul": 1, "crlf": 2, "crlf-or-lf": 2, "any": 2}
CONTENT = bytes(range(256)) * 1000


class BufferMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.descriptors = open_descriptors()
        self.buffers = [Buffer(), Buffer()]
        self.models = [bytearray(), bytearray()]
        self.added, self.drained = [0, 0], [0, 0]
        self.held: list[list[memoryview]] = [[], []]
        self.reserved: list[memoryview | None] = [None, None]
        self.referred, self.released = 0, 0
        self.file = tempfile.TemporaryFile()  # noqa: SIM115
        self.file.write(CONTENT)
        self.file.flush()
        for side in (0, 1):
            self.observe(side)

    def observe(self, side: int) -> None:
        def changed(added: int, drained: int) -> None:
            self.added[side] += added
            self.drained[side] += drained
            assert self.added[side] - self.drained[side] == len(self.buffers[side])

        self.buffers[side].on_change(changed)

    def release(self, data: object) -> None:
        self.released += 1

    def is_refused(self, *sides: int) -> bool:
        return any(self.held[side] for side in sides)

    @rule(side=SIDE, data=DATA, is_bytes=st.booleans(), in_front=st.booleans())
    def add(self, side: int, data: bytes, is_bytes: bool, in_front: bool) -> None:
        buffer, model = self.buffers[side], self.models[side]
        add = buffer.prepend if in_front else buffer.append
        what = data if is_bytes else bytearray(data)
        if self.is_refused(side):
            with pytest.raises(BufferError):
                add(what)
            return
        add(what)
        if in_front:
            model[:0] = data
        else:
            model += data

    @rule(side=SIDE, data=DATA, is_view=st.booleans())
    def refer(self, side: int, data: bytes, is_view: bool) -> None:
        what = bytearray(data)
        if self.is_refused(side):
            with pytest.raises(BufferError):
                self.buffers[side].append_reference(what, self.release)
            return
        self.buffers[side].append_reference(memoryview(what) if is_view else what, self.release)
        self.referred += 1
        self.models[side] += data
        if data:
            with pytest.raises(BufferError):
                what.append(1)

    @rule(side=SIDE, offset=st.integers(0, len(CONTENT)), size=SIZE)
    def add_file(self, side: int, offset: int, size: int) -> None:
        size = min(size, len(CONTENT) - offset)
        if self.is_refused(side):
            with pytest.raises(BufferError):
                self.buffers[side].append_file(self.file, offset, size)
            return
        self.buffers[side].append_file(self.file, offset, size)
        self.models[side] += CONTENT[offset : offset + size]

    @rule(side=SIDE, size=SIZE | st.none())
    def move(self, side: int, size: int | None) -> None:
        if self.is_refused(0, 1):
            with pytest.raises(BufferError):
                self.buffers[side].move_to(self.buffers[1 - side], size)
            return
        moved = self.buffers[side].move_to(self.buffers[1 - side], size)
        model = self.models[side]
        assert moved == (len(model) if size is None else min(size, len(model)))
        self.models[1 - side] += model[:moved]
        del model[:moved]

    @rule(side=SIDE, size=SIZE | st.none(), way=st.sampled_from(["read", "drain", "readinto"]))
    def take(self, side: int, size: int | None, way: str) -> None:
        buffer, model = self.buffers[side], self.models[side]
        wanted = len(model) if size is None else min(size, len(model))
        if self.is_refused(side):
            with pytest.raises(BufferError):
                buffer.read(size)
            return
        if way == "read":
            assert buffer.read(size) == model[:wanted]
        elif way == "drain":
            assert buffer.drain(10**9 if size is None else size) == wanted
        else:
            target = bytearray(wanted)
            assert buffer.readinto(target) == wanted
            assert target == model[:wanted]
        del model[:wanted]

    @rule(side=SIDE, end=st.sampled_from(list(ENDS)), limit=st.none() | SIZE)
    def line(self, side: int, end: str, limit: int | None) -> None:
        buffer, model = self.buffers[side], self.models[side]
        found = re.search(ENDS[end], model)
        if self.is_refused(side):
            with pytest.raises(BufferError):
                buffer.readline(end)  # type: ignore[arg-type]
        elif found and (limit is None or found.start() <= limit):
            assert buffer.readline(end, limit) == bytes(model[: found.start()])  # type: ignore[arg-type]
            del model[: found.end()]
        elif found or (limit is not None and len(model) >= limit + LONGEST[end]):
            with pytest.raises(ValueError, match="longer"):
                buffer.readline(end, limit)  # type: ignore[arg-type]
        else:
            assert buffer.readline(end, limit) is None  # type: ignore[arg-type]

    @rule(
        side=SIDE,
        data=FEW,
        start=st.integers(-50, 5000),
        end=st.integers(-50, 100_000) | st.none(),
    )
    def look(self, side: int, data: bytes, start: int, end: int | None) -> None:
        buffer, model = self.buffers[side], self.models[side]
        assert buffer.find(data, start, end) == model.find(data, start, end)
        assert (data in buffer) == (data in model)
        assert buffer.tobytes(start, end) == model[start:end]

    @rule(
        side=SIDE, size=SIZE | st.none(), way=st.sampled_from(["peek", "contiguous", "memoryview"])
    )
    def hold(self, side: int, size: int | None, way: str) -> None:
        buffer, model = self.buffers[side], self.models[side]
        wanted = len(model) if size is None else min(size, len(model))
        try:
            if way == "peek":
                views = list(buffer.peek(size))
            elif way == "contiguous":
                views = [buffer.contiguous(wanted)]
            else:
                views, wanted = [memoryview(buffer)], len(model)
        except BufferError:
            assert self.is_refused(side)
            return
        assert b"".join(views) == model[:wanted]
        self.held[side] += views

    @rule(side=SIDE)
    def let_go(self, side: int) -> None:
        for view in self.held[side]:
            view.release()
        self.held[side].clear()

    @rule(side=SIDE, size=st.sampled_from([1, 10, 3000, 70_000]))
    def reserve(self, side: int, size: int) -> None:
        self.reserved[side] = self.buffers[side].reserve(size)

    @rule(side=SIDE, data=DATA)
    def commit(self, side: int, data: bytes) -> None:
        view = self.reserved[side]
        if view is None:
            with pytest.raises(ValueError, match="nothing"):
                self.buffers[side].commit(0)
            return
        data = data[: len(view)]
        view[: len(data)] = data
        if self.is_refused(side):
            with pytest.raises(BufferError):
                self.buffers[side].commit(len(data))
            return
        self.buffers[side].commit(len(data))
        self.models[side] += data
        self.reserved[side] = None

    @rule(side=SIDE, limit=st.sampled_from([1, 10, 5000, 60_000]))
    def through_a_pipe(self, side: int, limit: int) -> None:
        if self.is_refused(side):
            with pytest.raises(BufferError):
                self.buffers[side].write_to(1)
        if self.is_refused(1 - side):
            with pytest.raises(BufferError):
                self.buffers[1 - side].read_from(0)
        if self.is_refused(0, 1):
            return
        reading, writing = os.pipe()
        try:
            taken = self.buffers[side].write_to(writing, limit)
            got = 0
            while got < taken:
                got += self.buffers[1 - side].read_from(reading, taken - got)
        finally:
            os.close(reading)
            os.close(writing)
        assert bool(taken) == bool(self.models[side])
        self.models[1 - side] += self.models[side][:taken]
        del self.models[side][:taken]

    @rule(side=SIDE)
    def begin_anew(self, side: int) -> None:
        """A buffer dies, with whatever was held of it."""
        self.let_go(side)
        self.reserved[side] = None
        self.buffers[side] = Buffer(b"new")
        self.models[side] = bytearray(b"new")
        self.added[side], self.drained[side] = 3, 0
        self.observe(side)

    @invariant()
    def they_say_the_same(self) -> None:
        for buffer, model in zip(self.buffers, self.models, strict=True):
            assert len(buffer) == len(model)
            assert bool(buffer) == bool(model)
            assert buffer.chunks <= len(model)
        assert self.released <= self.referred

    @rule(side=SIDE)
    def compare(self, side: int) -> None:
        buffer, model = self.buffers[side], self.models[side]
        assert buffer == model
        assert bytes(buffer) == model
        assert (self.buffers[0] == self.buffers[1]) == (self.models[0] == self.models[1])

    def teardown(self) -> None:
        self.compare(0)
        self.compare(1)
        for side in (0, 1):
            self.let_go(side)
            self.buffers[side].clear()
            assert sys.getsizeof(self.buffers[side]) < 5000 + len(self.reserved[side] or b"")
        assert self.released == self.referred
        self.file.close()
        assert open_descriptors() == self.descriptors


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_a_buffer_is_as_a_bytearray() -> None:
    run_state_machine_as_test(BufferMachine, settings=searching(80, 50))
