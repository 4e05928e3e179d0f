"""CPython's own `test.test_asyncio`, from the interpreter that runs this, on `tether.Loop`.

Each module runs twice, each time in a process of its own: on the stock loop, as it is, and then
those of its cases that made a loop with tether's in its place. What fails on the stock loop fails
for the machine or the interpreter; what passes there has to pass here.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cpython.counted import COUNTED, Counted
from tests.cpython.looking_inside import LOOKING_INSIDE
from tests.cpython.own_process import Run, run_module

AT_ONCE = 2  # modules
SLOWEST = ["test_tasks", "test_subprocess", "test_ssl", "test_events"]  # begin first


def modules_here() -> list[str]:
    """The modules of the interpreter's own copy; none where it comes without."""
    try:
        found = importlib.util.find_spec("test.test_asyncio")
    except ModuleNotFoundError:
        return []
    folders = (found.submodule_search_locations if found else None) or []
    names = {path.stem for folder in folders for path in Path(folder).glob("test_*.py")}
    return sorted(name for name in names if not name.startswith("test_windows_"))


MODULES = modules_here()

if not MODULES:
    pytest.skip(
        f"{sys.executable} comes without CPython's own tests (test.test_asyncio)",
        allow_module_level=True,
    )


def run_on_both(module: str, directory: Path) -> tuple[Run, Run]:
    stock = run_module(module, "stock", directory / "stock")
    with_a_loop = [case for case, ended in stock.ended.items() if ended.loops]
    return stock, run_module(module, "tether", directory / "tether", with_a_loop)


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[tuple[Run, Run]]]]:
    """The chosen modules, two at once, the slowest first."""
    chosen = [
        str(item.callspec.params["module"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test_module
    ]
    chosen.sort(key=lambda name: SLOWEST.index(name) if name in SLOWEST else len(SLOWEST))
    folder = tmp_path_factory.mktemp("cpython")
    with ThreadPoolExecutor(AT_ONCE) as executor:
        yield {name: executor.submit(run_on_both, name, folder / name) for name in chosen}
        executor.shutdown(cancel_futures=True)


@pytest.mark.parametrize("module", MODULES)
def test_module(module: str, running: dict[str, Future[tuple[Run, Run]]]) -> None:
    stock, tether = running[module].result()
    inside = {
        f"test.test_asyncio.{entry.case}": entry.reason
        for entry in LOOKING_INSIDE
        if entry.is_here and entry.case.startswith(f"{module}.")
    }
    wrong = [f"on the stock loop: {text}" for text in stock.broken]
    wrong += tether.broken
    counted = Counted()
    for name, ended in tether.ended.items():
        before = stock.ended[name].outcome
        if not ended.loops:
            counted.without_a_loop += 1
        elif ended.defined in inside:
            counted.inside += 1
            if ended.outcome == "passed":
                wrong.append(f"{name} passes, but is listed: {inside[ended.defined]}")
        elif before == "failed":
            counted.failed_on_stock.append(name)
        elif ended.outcome == before:
            counted.passed += before == "passed"
            counted.skipped += before == "skipped"
        else:
            wrong.append(f"{name} {ended.outcome} (stock: {before})\n{ended.output}")
    wrong += [
        f"{case} is listed, but is not among the cases with a loop"
        for case in sorted(inside.keys() - {ended.defined for ended in tether.ended.values()})
    ]
    COUNTED[module] = counted
    assert not wrong, "\n\n".join([f"{len(wrong)} of {len(tether.ended)}", *wrong])
