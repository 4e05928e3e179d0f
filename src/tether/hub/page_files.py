"""The files of the page, read from the package once and served from memory.

It must not know devices or sessions. Only names that were in the package can be asked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

__all__ = ["CONTENT_SECURITY_POLICY", "PageFile", "page_files"]

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What the page may load and do: its own files and its own server, nothing else."""

_CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file: its name, its bytes, what it is, and a tag that changes with it."""

    name: str
    body: bytes
    content_type: str
    tag: str

    def is_known_as(self, if_none_match: str | None) -> bool:
        """Tell whether the client, by this header, has the file as it is now.

        >>> page = PageFile("index.html", b"", "text/html", '"abc"')
        >>> page.is_known_as('W/"abc", "def"'), page.is_known_as('"def"'), page.is_known_as(None)
        (True, False, False)
        """
        if if_none_match is None:
            return False
        tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
        return any(tag in (self.tag, "*") for tag in tags)


def page_files() -> dict[str, PageFile]:
    """Read all files of the page, by name.

    >>> page_files()["index.html"].content_type
    'text/html; charset=utf-8'
    """
    files: dict[str, PageFile] = {}
    for entry in (resources.files("tether.hub") / "page").iterdir():
        ending = "." + entry.name.rpartition(".")[2]
        if ending not in _CONTENT_TYPES:
            continue
        body = entry.read_bytes()
        tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        files[entry.name] = PageFile(entry.name, body, _CONTENT_TYPES[ending], tag)
    return files
