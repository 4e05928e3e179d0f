"""Every private name of the standard library that tether uses is listed here, and exists.

They may change with any Python: this says which one did, before something fails for it. A name
that is used and not listed, and one that is listed and not used, fail as well.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "tether"
#: The rooms that know asyncio's inside; the others may only ask their own objects.
ROOMS = ("aio", "engine", "stream")
LIBRARIES = ("logging", "selectors", "socket", "ssl", "subprocess", "threading")

LOOP = "asyncio.selector_events.BaseSelectorEventLoop"
BASE = "asyncio.base_events.BaseEventLoop"
HANDLE = "asyncio.events.Handle"
TIMER = "asyncio.events.TimerHandle"
SERVER = "asyncio.base_events.Server"
CHILD = "asyncio.base_subprocess.BaseSubprocessTransport"
TRANSPORT = "asyncio.selector_events._SelectorSocketTransport"
#: Set by the base loop's `__init__`.
MADE = "a loop that was made"

#: Where each lives. What is overridden is listed too: asyncio calls it.
NAMES = {
    "_FlowControlMixin": "asyncio.transports",
    "_SendfileMode": "asyncio.constants",
    "_add_callback": BASE,
    "_add_callback_signalsafe": BASE,
    "_add_reader": LOOP,
    "_add_writer": LOOP,
    "_args": HANDLE,
    "_asyncio_future_blocking": "asyncio.futures.Future",
    "_attach": SERVER,
    "_callback": HANDLE,
    "_cancelled": HANDLE,
    "_check_callback": BASE,
    "_check_closed": BASE,
    "_check_proc": CHILD,
    "_check_thread": BASE,
    "_closed": MADE,
    "_csock": MADE,
    "_current_handle": MADE,
    "_debug": MADE,
    "_detach": SERVER,
    "_ensure_fd_no_transport": LOOP,
    "_format_callback_source": "asyncio.format_helpers",
    "_format_handle": "asyncio.base_events",
    "_getaddrinfo_debug": BASE,
    "_loop": HANDLE,
    "_make_datagram_transport": BASE,
    "_make_read_pipe_transport": BASE,
    "_make_socket_transport": BASE,
    "_make_ssl_transport": BASE,
    "_make_subprocess_transport": BASE,
    "_make_write_pipe_transport": BASE,
    "_process_exited": CHILD,
    "_protocol_paused": "asyncio.transports._FlowControlMixin",
    "_remove_reader": LOOP,
    "_remove_writer": LOOP,
    "_run": HANDLE,
    "_run_once": BASE,
    "_scheduled": TIMER,
    "_sendfile_compatible": TRANSPORT,
    "_sendfile_native": BASE,
    "_sighandler_noop": "asyncio.unix_events",
    "_signal_handlers": MADE,
    "_source_traceback": HANDLE,
    "_ssl": "ssl",
    "_start": CHILD,
    "_start_serving": LOOP,
    "_start_tls_compatible": TRANSPORT,
    "_stop_serving": LOOP,
    "_stopping": MADE,
    "_task_factory": MADE,
    "_thread_id": MADE,
    "_timer_handle_cancelled": BASE,
    "_transports": MADE,
    "_unregister_task": "asyncio.tasks",
    "_wait": CHILD,
    "_when": TIMER,
    "_write_to_self": BASE,
}
#: Only from this version on.
SINCE: dict[str, tuple[int, int]] = {}
#: Names of our own that the standard library happens to have as well.
OURS = {"_log"}


def is_private(name: str) -> bool:
    return re.fullmatch(r"_[A-Za-z]\w*", name) is not None


def modules() -> Iterator[ModuleType]:
    yield asyncio
    for module in pkgutil.iter_modules(asyncio.__path__):
        if module.name != "__main__" and "windows" not in module.name:
            yield importlib.import_module(f"asyncio.{module.name}")
    yield from map(importlib.import_module, LIBRARIES)


def private_names_of_the_library() -> set[str]:
    loop = asyncio.SelectorEventLoop()
    loop.close()
    names = set(vars(loop))
    for module in modules():
        for name, value in vars(module).items():
            names.add(name)
            if inspect.isclass(value):
                names.update(vars(value))
    return {name for name in names if is_private(name)}


def names_in(path: Path) -> Iterator[str]:
    """The private names in a source; outside of `ROOMS` those of other objects only."""
    everywhere = path.relative_to(SOURCES).parts[0] in ROOMS
    before = ["", ""]
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            name = token.string.strip("\"'") if token.type == tokenize.STRING else token.string
            theirs = before[1] == "." and before[0] not in ("self", "cls")
            if token.type in (tokenize.NAME, tokenize.STRING) and (everywhere or theirs):
                yield name
            before = [before[1], token.string]


def used() -> dict[str, set[str]]:
    library = private_names_of_the_library() - OURS
    found: dict[str, set[str]] = {}
    for path in [*SOURCES.rglob("*.py"), *SOURCES.rglob("*.pyx")]:
        for name in names_in(path):
            if name in library:
                found.setdefault(name, set()).add(str(path.relative_to(SOURCES)))
    return found


def owner_of(where: str) -> object:
    if where == MADE:
        loop = asyncio.SelectorEventLoop()
        loop.close()
        return loop
    parts = where.split(".")
    thing: object = importlib.import_module(".".join(parts[:2]))
    for part in parts[2:]:
        thing = getattr(thing, part)
    return thing


HERE = [name for name in NAMES if sys.version_info >= SINCE.get(name, (3, 11))]


@pytest.mark.parametrize("name", HERE)
def test_this_python_has_it(name: str) -> None:
    assert hasattr(owner_of(NAMES[name]), name)


def test_no_other_is_used() -> None:
    assert {name: files for name, files in used().items() if name not in NAMES} == {}


def test_all_that_are_listed_are_used() -> None:
    assert set(HERE) - set(used()) == set()
