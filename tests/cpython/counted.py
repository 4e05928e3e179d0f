"""What the run of CPython's cases counted, for the summary. Knows no case."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Counted:
    """The cases of one module that made a loop, by what became of them."""

    passed: int = 0
    skipped: int = 0
    inside: int = 0
    without_a_loop: int = 0
    failed_on_stock: list[str] = field(default_factory=list)


COUNTED: dict[str, Counted] = {}


def summary() -> list[str]:
    """What to tell at the end of the run, failures of the stock loop by name."""
    counted = COUNTED.values()
    lines = [
        f"{sum(module.passed for module in counted)} cases passed as on the stock loop, "
        f"{sum(module.skipped for module in counted)} skipped as there, "
        f"{sum(module.inside for module in counted)} look into the stock loop's inside"
    ]
    failed = [name for module in counted for name in module.failed_on_stock]
    return lines + [f"failed on the stock loop, not counted: {name}" for name in failed]
