"""What pyproject.toml cannot say.

The compiled helpers are built where there is a compiler, and left out where there is none. The manual pages, which lie beside the
packages, are installed as etherspan/man.
"""

from pathlib import Path

from cffi import FFI
from setuptools import Extension, find_packages, setup

HELPER = Path(__file__).parent / "kernel_sim" / "mac" / "_hw"
FAST = Path(__file__).parent / "kernel_sim" / "io" / "_fast"


def extension(module: str, folder: Path, name: str, *others: str) -> Extension:
    """A module made of `name`.h, as cffi reads it, `name`.c, and other C files."""
    builder = FFI()
    builder.cdef((folder / f"{name}.h").read_text(encoding="utf-8"))
    builder.set_source(
        module,
        (folder / f"{name}.c").read_text(encoding="utf-8"),
        sources=list(others),
        include_dirs=[str(folder), str(HELPER)],
        extra_compile_args=["-O2"],
    )
    made: Extension = builder.distutils_extension(tmpdir="build", verbose=False)
    made.optional = True
    return made


setup(
    packages=[*find_packages(include=["kernel_sim*", "libvarpd*", "dladm*", "etherspan*"]), "etherspan.man"],
    ext_modules=[
        extension("kernel_sim.mac._hw._helper", HELPER, "helper"),
        extension("kernel_sim.io._fast._fast", FAST, "fast", "kernel_sim/mac/_hw/helper.c"),
    ],
)
