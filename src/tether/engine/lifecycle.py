"""The life of a scope as a table: what may follow what. The engine and the tests read it here.

It knows no scope: only the names of the states and their order.
"""

OPEN, CLOSING, CLOSED = "open", "closing", "closed"

STATES = (OPEN, CLOSING, CLOSED)

#: From each state, the states that may follow. Nothing leads back, and nothing skips `closing`.
LIFE_CYCLE: dict[str, frozenset[str]] = {
    OPEN: frozenset({CLOSING}),
    CLOSING: frozenset({CLOSED}),
    CLOSED: frozenset(),
}
