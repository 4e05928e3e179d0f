"""What lives here: what must be there before anything is measured, built or installed.

It must not know what is measured.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
BUILD = BENCHMARKS.parent / "build" / "benchmarks"
REQUIREMENTS = BENCHMARKS / "requirements.txt"

FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow")


class BuildError(Exception):
    """A program did not compile or a package did not install; the message says which."""


def compiled(source: Path, *others: Path, libraries: Sequence[str] = ()) -> Path:
    """Return the program built from C files and libraries, named after the first file.

    It is built when it is not there, or older than one of the files or of the headers beside
    them and in `native`.

    Raises:
        BuildError: there is no compiler, or it refused the file.
    """
    program = BUILD / source.parent.name / source.stem
    headers = [*source.parent.glob("*.h"), *(BENCHMARKS / "native").glob("*.h")]
    inputs = [source, *others, *headers]
    if program.exists() and program.stat().st_mtime > max(one.stat().st_mtime for one in inputs):
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    command = ["cc", *FLAGS, "-o", str(program), str(source), *map(str, others)]
    command += [f"-l{library}" for library in libraries]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildError("there is no C compiler: `cc` was not found") from None
    if result.returncode != 0:
        raise BuildError(f"{source.name} does not compile:\n{result.stderr}")
    return program


def missing_requirements() -> list[str]:
    """Return the lines of requirements.txt that this interpreter's packages do not satisfy."""
    missing = []
    for line in REQUIREMENTS.read_text().splitlines():
        requirement = line.partition("#")[0].strip()
        name, _, version = requirement.partition("==")
        if requirement and installed_version(name) != version:
            missing.append(requirement)
    return missing


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def install_requirements() -> None:
    """Install the peers that are missing, into the interpreter that runs this.

    Raises:
        BuildError: pip could not.
    """
    missing = missing_requirements()
    if not missing:
        return
    print(f"installing into {sys.prefix}: {', '.join(missing)}", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "install", "--quiet", *missing]
    if subprocess.run(command, check=False).returncode != 0:
        raise BuildError(f"pip could not install {', '.join(missing)}")
