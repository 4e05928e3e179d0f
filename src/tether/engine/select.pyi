# What Python sees of the poller select (select.pyx). A test holds the two together.

from tether.engine.level import LevelPoller

class Select(LevelPoller): ...
