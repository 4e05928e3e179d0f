"""The life of a server's HTTP/1.1 connection as a table, which the connection and the tests read.

It knows no bytes and no sockets: only what may follow what.
"""

IDLE = "idle"  # between requests: nothing of the next one has come
HEAD = "head"  # part of a request head has come
BODY = "body"  # the head is accepted, the body is coming
RUNNING = "running"  # the handler has the request
ENDING = "ending"  # the last reply is written, the connection closes after it
UPGRADED = "upgraded"  # another protocol has the stream

STATES = (IDLE, HEAD, BODY, RUNNING, ENDING, UPGRADED)

#: From each state, the states that may follow.
CONNECTION: dict[str, frozenset[str]] = {
    IDLE: frozenset({HEAD, ENDING}),
    HEAD: frozenset({BODY, RUNNING, ENDING}),
    BODY: frozenset({RUNNING, ENDING}),
    RUNNING: frozenset({IDLE, ENDING, UPGRADED}),
    ENDING: frozenset(),
    UPGRADED: frozenset(),
}
