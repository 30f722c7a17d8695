"""Search plugins of a test, offered to real varpd processes as an installed package would offer them.

What is written is a folder for PYTHONPATH: one module a plugin, which loads the file that the class is defined in, and the metadata of a
distribution that names them under the entry-point group `varpd.plugins`.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from libvarpd.loader import ENTRY_POINTS
from libvarpd.plugin import SearchPlugin

_NAME: Final = "etherspan_test_plugins"
_MODULE: Final = """\
import importlib.util
import sys

_spec = importlib.util.spec_from_file_location({name!r}, {path!r})
_module = sys.modules[{name!r}] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
PLUGIN = _module.{attribute}
"""


def write(folder: Path, plugins: Sequence[type[SearchPlugin]]) -> None:
    """Make the folder. Errors: TypeError a class that is not at the top of a source file."""
    metadata = folder / f"{_NAME}-1.dist-info"
    metadata.mkdir(parents=True)
    metadata.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: 1\n")
    lines = [f"[{ENTRY_POINTS}]"]
    for number, plugin in enumerate(plugins):
        path = inspect.getsourcefile(plugin)
        if path is None or "." in plugin.__qualname__:
            raise TypeError(f"{plugin!r} is not at the top of a source file, so no other process can load it")
        module = f"{_NAME}_{number}"
        names = {"name": f"{module}_source", "path": str(Path(path).absolute()), "attribute": plugin.__qualname__}
        folder.joinpath(f"{module}.py").write_text(_MODULE.format(**names))
        lines.append(f"{plugin.name} = {module}:PLUGIN")
    metadata.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n")
