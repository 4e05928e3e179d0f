# What Python sees of rate limits (rate_limit.pyx). A test holds the two together.

class Bucket:
    rate: float
    burst: float
    @property
    def bytes(self) -> int: ...
    @property
    def waits(self) -> int: ...

class RateLimit(Bucket):
    def __init__(
        self,
        rate: float | None = None,
        *,
        burst: float | None = None,
        group: RateLimitGroup | None = None,
    ) -> None: ...
    @property
    def group(self) -> RateLimitGroup | None: ...

class RateLimitGroup(Bucket):
    min_share: float
    def __init__(
        self, rate: float | None, *, burst: float | None = None, min_share: float = 64
    ) -> None: ...
    @property
    def size(self) -> int: ...
