# The native modules: every .pyx below src/, one extension each. TETHER_BUILD chooses the flags,
# or `nothing`: then the package is described, as an editable install needs it, and not compiled.
# Knows nothing of what the modules do; pyproject.toml holds everything else.
import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

FLAGS: dict[str, list[str]] = {
    "nothing": [],
    "release": ["-O3", "-fno-semantic-interposition", "-fvisibility=hidden"],
    "sanitize": ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"],
}
# What one system has and the others do without.
ONLY_ON = {"src/tether/engine/epoll.pyx": "linux"}
kind = os.environ.get("TETHER_BUILD", "release")
flags = [*FLAGS[kind], "-Wall", "-Wno-unused-function"]
link = ["-fsanitize=address,undefined"] if kind == "sanitize" else []

extensions = [
    Extension(
        ".".join(path.relative_to("src").with_suffix("").parts),
        [str(path)],
        extra_compile_args=flags,
        extra_link_args=link,
    )
    for path in sorted(Path("src").rglob("*.pyx"))
    if kind != "nothing" and ONLY_ON.get(path.as_posix(), sys.platform) == sys.platform
]

setup(
    ext_modules=cythonize(
        extensions,
        include_path=["src"],
        build_dir=f"build/{kind}",
        nthreads=os.cpu_count() or 1,
        language_level=3,
        compiler_directives={
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
            "embedsignature.format": "python",
            "always_allow_keywords": True,
            "auto_pickle": False,  # a copy would share what has one owner
        },
    ),
)
