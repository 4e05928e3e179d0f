"""tether: an event-driven networking library with owners and causes."""

from tether import filters
from tether.aio.loop import Loop, run, to_thread
from tether.app.app import App
from tether.app.serve import serve
from tether.app.server import Server
from tether.engine.counts import Counts
from tether.engine.events import CLOSED, READ, WRITE
from tether.engine.hooks import Hook
from tether.engine.lag import Lag
from tether.engine.members import Timer
from tether.engine.scope import Scope
from tether.engine.signals import Signal
from tether.engine.watch import Watch
from tether.errors import (
    Attempt,
    CertificateError,
    Closed,
    ConnectError,
    ConnectionClosed,
    ConnectionRefused,
    ConnectTimeout,
    IncompleteBody,
    LocalError,
    NetworkError,
    ProtocolError,
    ReadTimeout,
    ResolveError,
    ResolveTimeout,
    SocketForbidden,
    SocketMissing,
    TLSAlert,
    TLSError,
    TLSTruncated,
    TunnelError,
    Unreachable,
    WriteTimeout,
)
from tether.http.connection import Request
from tether.http.messages import HTTPError, Response
from tether.stream.buffer import Buffer
from tether.stream.certificates import Certificates
from tether.stream.connect import connect
from tether.stream.dns import DNSResolver
from tether.stream.filter import Filter
from tether.stream.listen import listen
from tether.stream.listener import Listener
from tether.stream.pair import pair
from tether.stream.rate_limit import RateLimit, RateLimitGroup
from tether.stream.resolve import Resolver
from tether.stream.retry import Retry
from tether.stream.stream import Stream
from tether.websocket.session import WebSocket

__version__ = "0.1.0"

__all__ = [
    "CLOSED",
    "READ",
    "WRITE",
    "App",
    "Attempt",
    "Buffer",
    "CertificateError",
    "Certificates",
    "Closed",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionClosed",
    "ConnectionRefused",
    "Counts",
    "DNSResolver",
    "Filter",
    "HTTPError",
    "Hook",
    "IncompleteBody",
    "Lag",
    "Listener",
    "LocalError",
    "Loop",
    "NetworkError",
    "ProtocolError",
    "RateLimit",
    "RateLimitGroup",
    "ReadTimeout",
    "Request",
    "ResolveError",
    "ResolveTimeout",
    "Resolver",
    "Response",
    "Retry",
    "Scope",
    "Server",
    "Signal",
    "SocketForbidden",
    "SocketMissing",
    "Stream",
    "TLSAlert",
    "TLSError",
    "TLSTruncated",
    "Timer",
    "TunnelError",
    "Unreachable",
    "Watch",
    "WebSocket",
    "WriteTimeout",
    "connect",
    "filters",
    "listen",
    "pair",
    "run",
    "serve",
    "to_thread",
]
