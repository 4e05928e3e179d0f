"""How long the property-based tests look: the same short search every time, or a long random one.

`TETHER_PROPERTIES=long` is the long one, and a number is a factor of it; `few` is a fifth of the
short one, for who runs many times slower. Knows hypothesis only.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, Verbosity, settings


def searching(examples: int, steps: int) -> settings:
    """The settings of a search that takes `examples` of at most `steps` steps each."""
    wanted = os.environ.get("TETHER_PROPERTIES", "")
    is_long = wanted not in ("", "short", "few")
    if wanted == "few":
        examples = max(1, examples // 5)
    factor = 1 if not is_long else 30 if wanted == "long" else int(wanted)
    return settings(
        max_examples=examples * factor,
        stateful_step_count=steps * 2 if is_long else steps,
        derandomize=not is_long,
        database=None,
        deadline=None,
        print_blob=is_long,
        verbosity=Verbosity.normal,
        phases=(Phase.generate,) if wanted == "1" else (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
