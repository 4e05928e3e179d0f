"""The stubs and the native classes say the same: names, parameters, constants."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tether

SOURCE = Path(tether.__file__).parent
STUBS = sorted(SOURCE.rglob("*.pyi"))


def module_of(stub: Path) -> ModuleType:
    parts = stub.relative_to(SOURCE).with_suffix("").parts
    return importlib.import_module(".".join(["tether", *parts]))


def classes_of(stub: Path) -> dict[str, ast.ClassDef]:
    return {
        node.name: node
        for node in ast.parse(stub.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }


CLASSES = [
    pytest.param(stub, node, id=f"{stub.stem}.{name}")
    for stub in STUBS
    for name, node in classes_of(stub).items()
]

Signature = tuple[str, ...]


def stub_signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Signature:
    """The parameters in one notation: "name", "name=" with a default, "*name", "*" alone."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    bare = len(positional) - len(arguments.defaults)
    found = [one.arg + ("=" if index >= bare else "") for index, one in enumerate(positional)]
    if arguments.vararg is not None:
        found.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        found.append("*")
    found += [
        one.arg + ("=" if default is not None else "")
        for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg is not None:
        found.append(f"**{arguments.kwarg.arg}")
    return tuple(found)


def real_signature(function: Any) -> Signature:
    found: list[str] = []
    for one in inspect.signature(function).parameters.values():
        if one.kind is inspect.Parameter.VAR_POSITIONAL:
            found.append(f"*{one.name}")
        elif one.kind is inspect.Parameter.VAR_KEYWORD:
            found.append(f"**{one.name}")
        else:
            if one.kind is inspect.Parameter.KEYWORD_ONLY and not any(
                name.startswith("*") for name in found
            ):
                found.append("*")
            found.append(one.name + ("" if one.default is inspect.Parameter.empty else "="))
    return tuple(found)


def written_signature(source: str, class_name: str, method: str) -> Signature | None:
    """The parameters of a method as its .pyx has them: slots like `__init__` do not tell theirs."""
    body = re.split(rf"^cdef class {class_name}\b", source, flags=re.M)[1]
    body = re.split(r"^(?:cdef|class|def) ", body, maxsplit=1, flags=re.M)[0]
    found = re.search(
        rf"^    (?:async )?def {method}\((?P<text>.*?)\):", body, flags=re.M | re.DOTALL
    )
    if found is None:
        return None
    parameters: list[str] = []
    for part in filter(None, (part.strip() for part in found["text"].split(","))):
        declared, has_default, _ = part.partition("=")
        parameters.append(declared.split()[-1] + ("=" if has_default else ""))
    return tuple(parameters)


def is_native(kind: type) -> bool:
    path = SOURCE.joinpath(*kind.__module__.split(".")[1:]).with_suffix(".pyx")
    return path.is_file()


def public_names(names: Any) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def test_every_native_class_at_the_top_has_a_stub() -> None:
    stubbed = {name for stub in STUBS for name in classes_of(stub)}
    native = {
        name
        for name in tether.__all__
        if inspect.isclass(kind := getattr(tether, name)) and is_native(kind)
    }
    assert {"Scope", "WebSocket", "Request", "Stream", "Listener"} <= native
    assert native <= stubbed


def test_every_native_module_that_python_imports_has_a_stub() -> None:
    native = {
        ".".join(["tether", *path.relative_to(SOURCE).with_suffix("").parts])
        for path in SOURCE.rglob("*.pyx")
    }
    imported = {
        node.module
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module in native
    }
    stubs = {module_of(stub).__name__ for stub in STUBS}
    assert "tether.engine.scope" in imported
    assert imported <= stubs


@pytest.mark.parametrize(("stub", "node"), CLASSES)
def test_both_have_the_same_names(stub: Path, node: ast.ClassDef) -> None:
    kind = getattr(module_of(stub), node.name)
    told = set()
    for member in node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            told.add(member.name)
        elif isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            told.add(member.target.id)
    assert public_names(told) == public_names(vars(kind))
    for special in told - public_names(told):
        assert hasattr(kind, special), special


@pytest.mark.parametrize(("stub", "node"), CLASSES)
def test_both_have_the_same_parameters(stub: Path, node: ast.ClassDef) -> None:
    kind = getattr(module_of(stub), node.name)
    source = stub.with_suffix(".pyx").read_text()
    for member in node.body:
        if not isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        real = vars(kind).get(member.name)
        is_property = any(
            isinstance(mark, ast.Name) and mark.id == "property" for mark in member.decorator_list
        )
        if is_property:
            assert inspect.isgetsetdescriptor(real), member.name
        elif member.name.startswith("__"):
            if member.name not in vars(kind):
                continue  # inherited from a class that Python does not see
            written = written_signature(source, node.name, member.name)
            if written is None and member.name == "__init__":
                written = written_signature(source, node.name, "__cinit__")
            assert written is not None, f"{node.name}.{member.name} is not in the source"
            assert stub_signature(member) == written
        else:
            assert stub_signature(member) == real_signature(real), member.name


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.stem)
def test_functions_and_constants_are_real(stub: Path) -> None:
    module = module_of(stub)
    defined = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.isclass(value)
        and callable(value)
        and getattr(value, "__module__", "") == module.__name__
    }
    told: set[str] = set()
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told.add(node.name)
            assert stub_signature(node) == real_signature(getattr(module, node.name)), node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            assert hasattr(module, node.target.id)
    assert told <= defined


def test_a_difference_would_be_found() -> None:
    source = (
        "cdef class A(B):\n    def f(self, double a, b=1, *, c,\n          d=2):\n        pass\n"
    )
    assert written_signature(source, "A", "f") == ("self", "a", "b=", "*", "c", "d=")
    told = ast.parse("def f(self, a: float, b: int = 1, *, c: int, d: int = 2) -> None: ...").body[
        0
    ]
    assert isinstance(told, ast.FunctionDef)
    assert stub_signature(told) == ("self", "a", "b=", "*", "c", "d=")
    assert real_signature(tether.Scope.every) == ("self", "seconds", "callback", "*args")
