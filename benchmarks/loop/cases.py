"""What lives here: the tables of what is measured: which loops, under which work.

A new loop is one entry in `LOOPS` and one in `loops.py`; a new work one in `CASES` and one file,
or function, in `works/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.build import compiled
from benchmarks.room import Case, Peer

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Work(Case):
    """MODULE.FUNCTION of `works`, the numbers it takes, and the load, where it is a server."""

    work: str = ""
    numbers: tuple[int, ...] = ()
    connections: int = 0
    size: int = 0
    load: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loop(Peer):
    """A loop; `only` names the modules of `works` that it takes part in, all where it is empty.

    `lacks` names those that it cannot do, and `ways` the functions it takes instead of others.
    """

    only: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    ways: tuple[tuple[str, str], ...] = ()

    def takes(self, case: Case) -> bool:
        """Whether it takes part in that case."""
        assert isinstance(case, Work)
        module = case.work.partition(".")[0]
        if self.name in ("rloop", "bare") and "--tls" in case.load:
            return False
        if self.name == "aiofastnet" and "--tls" not in case.load:
            return False
        return module not in self.lacks and (not self.only or module in self.only)

    def holds(self) -> bool:
        """Whether the memory of its idle connections is measured."""
        return self.takes(IDLE)

    def prepare(self) -> None:
        """Compile it, where it is programs in C."""
        for module in PROGRAMS.get(self.name, ()):
            program(self.name, module)


# The yardsticks in C, for the module of works that each stands beside: source and libraries.
PROGRAMS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "bare": {
        "protocol_echo": ("echo.c", ()),
        "stream_echo": ("echo.c", ()),
        "bulk": ("bulk.c", ()),
    },
    "libevent": {"pipes": ("pipes.c", ("event",))},
}


def program(loop: str, module: str) -> Path:
    """Return the yardstick of that name for that module of works, compiling it where needed."""
    source, libraries = PROGRAMS[loop][module]
    return compiled(HERE / "works" / source, libraries=libraries)


def _echoes(module: str, title: str, *load: str) -> tuple[Work, ...]:
    name = module.partition("_")[0]
    return tuple(
        Work(
            f"{name}-{size}k-{connections}",
            f"{title}, {size} KiB on {connections} connection{'s' * (connections > 1)}",
            "message",
            f"{module}.serve",
            connections=connections,
            size=size * 1024,
            load=load,
        )
        for size in (1, 64)
        for connections in (1, 100)
    )


def _bulks(function: str, title: str, *load: str) -> tuple[Work, ...]:
    return tuple(
        Work(
            f"{function.replace('serve', 'bulk').replace('_', '-')}-{size}k",
            f"{title}, messages of {size} KiB",
            "message",
            f"bulk.{function}",
            (size * 1024,),
            connections=1,
            size=size * 1024,
            load=("--sink", *load),
        )
        for size in (1, 4, 16, 64)
    )


def _pipes(pipes: int, active: int) -> Work:
    return Work(
        f"pipes-{pipes}-{active}",
        f"libevent's benchmark, {pipes:,} pipes, {active} active",
        "event",
        "pipes.readers",
        (pipes, active, 20_000),
    )


CASES = (
    Work("chain", "`call_soon`, one after another", "callback", "ready.chain", (100_000,)),
    Work("batch", "`call_soon`, 10,000 at once", "callback", "ready.batch", (10_000,)),
    Work("timers-add", "100,000 timers: adding", "timer", "timers.add", (100_000,)),
    Work("timers-cancel", "100,000 timers: cancelling", "timer", "timers.cancel", (100_000,)),
    Work("timers-fire", "100,000 timers: firing", "timer", "timers.fire", (100_000,)),
    Work(
        "timers-idle",
        "100,000 idle timeouts of one length: cancelling one and setting it again",
        "timeout",
        "timers.idle",
        (100_000,),
    ),
    Work("sleep", "`sleep(0)`", "sleep", "tasks.sleep_zero", (50_000,)),
    Work("gather", "Tasks made and gathered, 100 at a time", "task", "tasks.gather", (20_000,)),
    Work("wake", "A task woken by a future", "wake-up", "tasks.wake", (20_000,)),
    *_echoes("protocol_echo", "Protocol echo"),
    *_echoes("stream_echo", "Streams echo"),
    *_echoes("tls_echo", "TLS Protocol echo", "--tls"),
    Work(
        "handshakes",
        "TLS handshakes, 10 connections at a time, each closed after one message",
        "handshake",
        "tls_echo.serve",
        connections=10,
        size=1,
        load=("--tls", "--reconnect"),
    ),
    *_bulks("serve", "Bulk transfer"),
    *_bulks("serve_tls", "Bulk transfer over TLS", "--tls"),
    *[_pipes(pipes, 1) for pipes in (100, 1000, 5000)],
    *[_pipes(pipes, 100) for pipes in (1000, 5000)],
)

# Connections whose memory is measured, and those before them that warm the server up.
IDLE_CASE = "idle-connection"
IDLE = Work(IDLE_CASE, "Idle connections", work="protocol_echo.serve")
IDLE_CONNECTIONS = 5000
FIRST_CONNECTIONS = 500

LOOPS = (
    Loop("tether", "tether", ("tether",)),
    Loop(
        "tether-watch",
        "tether, `watch`",
        ("tether",),
        only=("pipes",),
        ways=(("pipes.readers", "pipes.watches"),),
    ),
    Loop(
        "tether-stream",
        "tether, `Stream`",
        ("tether",),
        only=("bulk", "protocol_echo"),
        ways=(
            ("bulk.serve", "bulk.streams"),
            ("bulk.serve_tls", "bulk.streams_tls"),
            ("protocol_echo.serve", "protocol_echo.streams"),
        ),
    ),
    Loop("asyncio", "asyncio"),
    Loop("aiofastnet", "asyncio with aiofastnet", ("aiofastnet",), only=("tls_echo", "bulk")),
    Loop("uvloop", "uvloop", ("uvloop",)),
    Loop("rloop", "rloop", ("rloop",), lacks=("tls_echo",)),
    Loop("rsloop", "rsloop", ("rsloop",), optional=True),
    Loop("libevent", "libevent, C", only=("pipes",)),
    Loop("bare", "bare C, epoll", only=("protocol_echo", "stream_echo", "bulk")),
)

# What the ratios are taken against.
REFERENCES = ("uvloop", "rloop", "aiofastnet", "libevent", "bare")
