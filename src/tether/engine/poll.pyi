# What Python sees of the poller poll (poll.pyx). A test holds the two together.

from tether.engine.level import LevelPoller

class Poll(LevelPoller): ...
