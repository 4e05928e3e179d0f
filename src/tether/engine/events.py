"""What a descriptor can be watched for. It knows no poller: only the names and their bits."""

from __future__ import annotations

from typing import Final

#: There is something to read, or the end of file.
READ: Final = 1
#: There is room to write.
WRITE: Final = 2
#: The peer shut its side down; what it sent before can still be read.
CLOSED: Final = 4

NAMES: Final = {READ: "READ", WRITE: "WRITE", CLOSED: "CLOSED"}


def describe_events(events: int) -> str:
    """The names of what is in `events`.

    >>> describe_events(READ | CLOSED)
    'READ|CLOSED'
    """
    return "|".join(name for bit, name in NAMES.items() if events & bit)
