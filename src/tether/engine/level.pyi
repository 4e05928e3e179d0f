# What Python sees of level-triggered pollers (level.pyx). A test holds the two together.

from tether.engine.poller import Poller

class LevelPoller(Poller): ...
