"""Which pollers there are here, and which one a loop gets. Knows their names, not how they wait."""

from __future__ import annotations

import os
import sys

from tether.engine.poll import Poll
from tether.engine.poller import Poller
from tether.engine.select import Select

#: By name, the best first: what this system has.
POLLERS: dict[str, type[Poller]] = {"poll": Poll, "select": Select}

if sys.platform == "linux":
    from tether.engine.epoll import Epoll

    POLLERS = {"epoll": Epoll} | POLLERS


def make_poller(name: str | None = None) -> Poller:
    """A new poller.

    Args:
        name: one of `POLLERS`; by default what the environment's `TETHER_POLLER` names, else the
            best there is.

    Raises:
        ValueError: there is no poller of that name on this system.

    >>> make_poller("select").max_fd
    1023
    >>> make_poller("carrier pigeon")
    Traceback (most recent call last):
    ...
    ValueError: no such poller on linux: 'carrier pigeon' (there are epoll, poll, select)
    """
    source = ""
    if name is None and (name := os.environ.get("TETHER_POLLER") or None):
        source = ", which TETHER_POLLER names"
    if name is None:
        name = next(iter(POLLERS))
    if name not in POLLERS:
        raise ValueError(
            f"no such poller on {sys.platform}: {name!r}{source} (there are {', '.join(POLLERS)})"
        )
    return POLLERS[name]()
