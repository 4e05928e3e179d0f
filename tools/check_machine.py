"""Whether this machine can build tether: run by the Makefile with the Python that was chosen.

It must run on Pythons too old for tether, to say so, and needs nothing but the standard library.
"""

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig


def problem() -> str:
    """What is missing, in one line that a person can act on; "" where nothing is."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info < (3, 11):  # noqa: UP036 (that is the question)
        return (
            f"tether needs Python 3.11 or newer; {sys.executable} is {version}. "
            "Name another: make PYTHON=/path/to/python3.12 ..."
        )
    if importlib.util.find_spec("ensurepip") is None:
        return f"Python's venv is incomplete (Debian: apt install python{version}-venv)"
    command = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    compiler = shlex.split(command)[0]
    if shutil.which(compiler) is None:
        return (
            f"there is no C compiler: {compiler} was not found "
            "(Debian: apt install gcc libc6-dev; or name one: make CC=clang ...)"
        )
    header = os.path.join(sysconfig.get_path("include"), "Python.h")  # noqa: PTH118
    if not os.path.exists(header):  # noqa: PTH110
        return (
            f"Python's headers are missing: no {header} (Debian: apt install python{version}-dev)"
        )
    return ""


if __name__ == "__main__":
    found = problem()
    if found:
        sys.exit(found)
