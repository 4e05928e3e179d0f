"""Every example in a docstring runs, those of the native modules too, and none is overlooked."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import tether

SOURCES = Path(tether.__file__).parent
MODULES = ["tether"] + [
    found.name
    for found in pkgutil.walk_packages(tether.__path__, "tether.")
    if not found.name.endswith("__main__")
]


def examples(module: ModuleType) -> list[doctest.DocTest]:
    """The module's doctests, each once: Cython lists those of functions a second time."""
    found: dict[tuple[str, ...], doctest.DocTest] = {}
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        if test.examples:
            found.setdefault(tuple(example.source for example in test.examples), test)
    return list(found.values())


def written(name: str) -> int:
    """How many examples the module's source has."""
    stem = SOURCES.joinpath(*name.split(".")[1:])
    for source in (stem.with_suffix(".pyx"), stem.with_suffix(".py"), stem / "__init__.py"):
        if source.exists():
            lines = source.read_text().splitlines()
            return sum(line.lstrip().startswith(">>> ") for line in lines)
    raise FileNotFoundError(f"the source of {name}")


def test_there_are_modules_and_native_ones_with_examples() -> None:
    assert len(MODULES) > 40
    native = [importlib.import_module(name) for name in MODULES]
    native = [module for module in native if str(module.__file__).endswith(".so")]
    assert len([module for module in native if examples(module)]) >= 2


@pytest.mark.parametrize("name", [name for name in MODULES if written(name)])
def test_the_examples_of_a_module_run(name: str) -> None:
    tests = examples(importlib.import_module(name))
    assert sum(len(test.examples) for test in tests) == written(name), "some are not found"
    runner = doctest.DocTestRunner()
    said: list[str] = []
    for test in tests:
        runner.run(test, out=said.append)
    failed, tried = runner.failures, runner.tries
    assert failed == 0, "".join(said)
    assert tried == written(name)
