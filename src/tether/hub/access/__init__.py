"""Who may use the device server, from where, and how often.

It must not know devices, drivers or pages; it judges a request by what the connection shows.
"""

from tether.hub.access.policy import (
    Policy,
    Refusal,
    RefusedToListen,
    check_listen,
    is_loopback,
    split_host,
)
from tether.hub.access.rate import TokenBucket

__all__ = [
    "Policy",
    "Refusal",
    "RefusedToListen",
    "TokenBucket",
    "check_listen",
    "is_loopback",
    "split_host",
]
