# What Python sees of the poller epoll (epoll.pyx). A test holds the two together.

from tether.engine.poller import Poller

class Epoll(Poller):
    def fileno(self) -> int: ...
