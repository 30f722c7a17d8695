"""What pyproject.toml cannot say: the compiled helper is built where there is a compiler, and left out where there is none."""

from pathlib import Path

from cffi import FFI
from setuptools import setup

FOLDER = Path(__file__).parent / "kernel_sim" / "mac" / "_hw"

builder = FFI()
builder.cdef((FOLDER / "helper.h").read_text(encoding="utf-8"))
builder.set_source(
    "kernel_sim.mac._hw._helper",
    (FOLDER / "helper.c").read_text(encoding="utf-8"),
    include_dirs=[str(FOLDER)],
    extra_compile_args=["-O2"],
)
helper = builder.distutils_extension(tmpdir="build", verbose=False)
helper.optional = True
setup(ext_modules=[helper])
