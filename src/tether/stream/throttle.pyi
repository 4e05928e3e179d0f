# What Python sees of throttled streams (throttle.pyx). A test holds the two together.

from tether.stream.channel import Channel
from tether.stream.rate_limit import RateLimit

def limit_rate(stream: Channel, limit: RateLimit | None, is_reading: bool) -> RateLimit | None: ...
