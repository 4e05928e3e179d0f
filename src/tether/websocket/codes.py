"""Close codes: which may be sent, and which one tells a cause (RFC 6455, section 7.4).

Knows causes and numbers, no session.
"""

from __future__ import annotations

from tether.errors import NetworkError, ProtocolError, ReadTimeout, WriteTimeout

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
UNSUPPORTED = 1003
NO_CODE = 1005
ABNORMAL = 1006
INVALID_DATA = 1007
POLICY = 1008
TOO_BIG = 1009
INTERNAL_ERROR = 1011
TRY_AGAIN = 1013

#: The code a session closes with, by the class of its cause; the first row that fits.
CODE_OF_CAUSE: tuple[tuple[type[BaseException] | None, int], ...] = (
    (None, NORMAL),
    (ProtocolError, PROTOCOL_ERROR),
    (WriteTimeout, TRY_AGAIN),
    (ReadTimeout, INTERNAL_ERROR),
    (NetworkError, GOING_AWAY),
    (BaseException, INTERNAL_ERROR),
)


def code_of(cause: BaseException | None) -> int:
    """The close code for a cause.

    >>> code_of(None), code_of(ValueError()), code_of(WriteTimeout())
    (1000, 1011, 1013)
    """
    for kind, code in CODE_OF_CAUSE:
        if cause is None if kind is None else isinstance(cause, kind):
            return code
    return INTERNAL_ERROR


def may_be_sent(code: int) -> bool:
    """Whether a close frame may carry this code (RFC 6455, sections 7.4.1 and 7.4.2).

    >>> [code for code in (999, 1000, 1004, 1005, 1011, 1015, 2999, 3000, 4999, 5000)
    ...  if may_be_sent(code)]
    [1000, 1011, 3000, 4999]
    """
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
