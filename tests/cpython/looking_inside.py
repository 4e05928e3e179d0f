"""CPython's cases that tether.Loop does not pass, because they look at the stock loop's inside.

Each by where it is written, with the one reason. It is checked both ways: one that passes, or
that is not there on a version it is listed for, fails the run.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Inside:
    """A case, why it cannot pass, and the versions that have it: from `since`, before `until`."""

    case: str
    reason: str
    since: tuple[int, int] = (3, 11)
    until: tuple[int, int] = (4, 0)

    @property
    def is_here(self) -> bool:
        return self.since <= sys.version_info[:2] < self.until


BASE = "test_base_events.BaseEventLoopTests"
UNIX = "test_unix_events"

LOOKING_INSIDE = [
    Inside(f"{BASE}.test__add_callback_handle", "looks for the handle in the deque `_ready`"),
    Inside(f"{BASE}.test__run_once", "puts timers into the list `_scheduled`"),
    Inside(f"{BASE}.test__run_once_cancelled_event_cleanup", "counts the list `_scheduled`"),
    Inside(f"{BASE}.test__run_once_schedule_handle", "puts a timer into the list `_scheduled`"),
    Inside(f"{BASE}.test_call_later", "looks for the timer in the list `_scheduled`"),
    Inside(f"{BASE}.test_call_soon", "looks for the handle in the deque `_ready`"),
    Inside(
        "test_base_events.BaseEventLoopWithSelectorTests.test_create_datagram_endpoint_sock_unix",
        "looks for the socket in the transport's `_sock`",
    ),
    Inside(
        "test_subprocess.GenericWatcherTests.test_create_subprocess_fails_with_inactive_watcher",
        "wants a mock of a child watcher to be asked; children are watched through their pidfd",
    ),
    Inside(
        f"{BASE}.test_custom_run_forever_integration",
        "counts the calls of `_process_events`",
        since=(3, 13),
    ),
    Inside(f"{BASE}.test_not_implemented", "is about what the abstract base lacks"),
    Inside(f"{BASE}.test_run_forever_pre_stopped", "expects one `select` of a mock selector"),
    Inside(
        f"{BASE}.test_single_selecter_event_callback_after_stopping",
        "has a mock selector report an event, and `_process_events` serve it",
    ),
    Inside(
        "test_base_events.BaseEventLoopWithSelectorTests"
        ".test_create_server_soreuseport_only_defined",
        "listens on a mock of a socket, which has no descriptor, and wants the selector's error",
    ),
    Inside(
        "test_events.EventLoopTestsMixin.test_unclosed_pipe_transport",
        "closes the loop over open pipes, sets their `_pipe`, and wants them open all the same",
    ),
    Inside(
        "test_ssl.TestSSL.test_flush_before_shutdown",
        "looks the `SSLObject` up in `_ssl_protocol` of the transport",
    ),
    Inside(
        "test_ssl.TestSSL.test_remote_shutdown_receives_trailing_data",
        "writes through the transport's `_test__append_write_backlog`",
    ),
    Inside(
        f"{UNIX}.SelectorEventLoopUnixSockSendfileTests.test_sock_sendfile_blocking_error",
        "looks the socket up in `_selector`",
    ),
]
