"""Lab files as they come: one that a person wrote, a text of our own, and the copy that a running lab was made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etherspan.errors import EtherspanError
from etherspan.lab.file import parse
from etherspan.lab.journal import LabDir
from etherspan.lab.model import Lab


@dataclass(slots=True, frozen=True)
class Source:
    """A lab file that has been read. `origin` names it for people; the files that it names are below `folder`."""

    lab: Lab
    text: str
    origin: str
    folder: Path


def read_file(path: Path) -> Source:
    """Read a lab file, and see that the files it names are there. Errors: `EtherspanError`, every line beginning with the path."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise EtherspanError(f"cannot read the lab file {path}: {getattr(error, 'strerror', None) or error}") from error
    lab = parse(text, str(path))
    named = [(f"host.{name}.files", source) for name, host in lab.hosts.items() for source in host.files.values()]
    named += [(f"portolan.{name}.data", one.data) for name, one in lab.portolans.items() if one.data is not None]
    missing = [
        f"{path}: {key}: there is no file {path.parent / source}"
        for key, source in named
        if not (path.parent / source).is_file()
    ]
    if missing:
        raise EtherspanError("\n".join(missing))
    return Source(lab, text, str(path.absolute()), path.parent.absolute())


def read_text(text: str, origin: str) -> Source:
    """Read a lab file that is no file. Errors: `EtherspanError`."""
    return Source(parse(text, origin), text, origin, Path("/"))


def read_lab(where: LabDir) -> Lab:
    """The lab file as the lab was made from it. Errors: `EtherspanError`."""
    try:
        return parse(where.file.read_text(), str(where.file))
    except FileNotFoundError as error:
        raise EtherspanError(
            f"lab '{where.name}' was left half-way; 'etherspan lab down {where.name}' clears it away"
        ) from error
