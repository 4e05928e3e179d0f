"""Filters that come with tether: put on a stream with `stream.push`. Each knows its format only."""

from tether.filters.gzip import Gzip
from tether.filters.line import Line

__all__ = ["Gzip", "Line"]
