# Reading and writing the small files of sysfs, and saying what went wrong with one.
# Must not know which files there are; everything here blocks.
"""Files of sysfs: `read`, `read_number`, `write`, `entries`; failures become DeviceUnavailable."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from tether.hub.devices.model import DeviceUnavailable

LONGEST = 64 << 10
"""Most bytes read from one file; a list of triggers can be longer than a page."""

_REASONS = {
    errno.ENOENT: "is gone",
    errno.ENODEV: "is gone",
    errno.ENXIO: "is gone",
    errno.EACCES: "may not be used by this user",
    errno.EPERM: "may not be used by this user",
    errno.EBUSY: "is in use by something else",
    errno.ENODATA: "has no reading now",
    errno.EAGAIN: "has no reading now",
    errno.EIO: "does not answer (input/output error)",
    errno.ETIMEDOUT: "does not answer (timed out)",
}


def unavailable(path: Path, error: OSError) -> DeviceUnavailable:
    """What a failed access means to a person.

    >>> str(unavailable(Path("/sys/class/leds/act/brightness"), OSError(errno.EIO, "")))
    'act/brightness does not answer (input/output error)'
    """
    reason = _REASONS.get(error.errno or 0)
    if reason is None:
        reason = f"cannot be used: {(error.strerror or type(error).__name__).lower()}"
    return DeviceUnavailable(f"{path.parent.name}/{path.name} {reason}")


def read(path: Path) -> str:
    """The file's text without the white space around it. Raises DeviceUnavailable."""
    try:
        with path.open("rb", buffering=0) as file:
            data = file.read(LONGEST)
    except OSError as error:
        raise unavailable(path, error) from None
    return (data or b"").decode("utf-8", "replace").strip()


def read_number(path: Path) -> int:
    """The whole number the file holds. Raises DeviceUnavailable, for anything else in it too."""
    text = read(path)
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text) is None:
        shown = repr(text[:20]) if text else "nothing"
        raise DeviceUnavailable(f"{path.parent.name}/{path.name} says {shown}, which is no number")
    return int(text)


def read_word(path: Path, default: str = "") -> str:
    """The file's text, `default` where it cannot be read: for names and labels."""
    try:
        return read(path) or default
    except DeviceUnavailable:
        return default


def write(path: Path, text: str) -> None:
    """Write in one call, as sysfs wants it; never makes a file. Raises DeviceUnavailable."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unavailable(path, error) from None


def entries(folder: Path, pattern: str = "*") -> list[Path]:
    """What the folder holds, numbers in their own order; nothing where it cannot be read.

    >>> entries(Path("/nowhere"))
    []
    """
    try:
        found = list(folder.glob(pattern))
    except OSError:
        return []
    return sorted(found, key=lambda path: [_order(part) for part in _parts(path.name)])


def _parts(name: str) -> list[str]:
    return re.findall(r"[0-9]+|[^0-9]+", name)


def _order(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part)


def identifier(*parts: str) -> str:
    """A device's id made of names that the hardware chose.

    >>> identifier("led", "beaglebone:green:usr0")
    'led-beaglebone-green-usr0'
    """
    words = [re.sub(r"[^a-z0-9_]+", "-", part.lower()).strip("-") for part in parts]
    return "-".join(word for word in words if word)[:60].rstrip("-") or "device"
