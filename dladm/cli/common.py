"""What the subcommands share: property lists, numbers, field lists, links by name."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from dladm.cli.call import Call
from dladm.grammar import GrammarError, Property, parse_properties
from dladm.libdladm.status import DladmError, Status
from dladm.ofmt import Column, FieldError, Formatter, Mode, select
from kernel_sim.sys.dld import MAXLINKNAMELEN, DatalinkFlag
from kernel_sim.sys.errno import KernelError

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo

Record = TypeVar("Record")

GLOBAL_ZONE: Final = "global"
"""What the host itself is called where a zone is wanted."""
LIST_MAX: Final = 2048
"""Bytes of a property list, its last comma and a NUL included (DLM 2.2)."""
UPGRADE_SCRIPT: Final = "var/svc/profile/upgrade_datalink"
"""Where `-R DIR` notes a command, below DIR."""
_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?)([0-9]+)", re.ASCII)


class PropertyList:
    """The `-p` arguments of one command, joined; each ends in a comma."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._raw = b""

    def add(self, argument: str) -> None:
        """One more argument. Ends the command when the list is too long; the message shows what fitted."""
        joined = (self._raw + os.fsencode(argument))[: LIST_MAX - 1]
        self._raw = joined + b","
        if len(self._raw) >= LIST_MAX:
            self._call.terminal.die(f"property list too long '{os.fsdecode(joined)}'")

    def parse(self, complaint: str) -> list[Property]:
        """The properties; ends the command with `complaint` when the list is none. Without an argument there are none."""
        if not self._raw:
            return []
        try:
            return parse_properties(os.fsdecode(self._raw))
        except GrammarError as error:
            self._call.handle.note(str(error))
            self._call.terminal.die(complaint)


def too_long(name: str) -> bool:
    """True for a name over 31 bytes."""
    return len(name.encode("utf-8", "surrogateescape")) >= MAXLINKNAMELEN


def number(text: str) -> int | None:
    """What `strtol` reads, with nothing after it: blanks, a sign, digits. None for anything else.

    A number of more than 20 digits comes back as its first 20, too large for whoever asks (int() refuses thousands of digits).
    """
    found = _NUMBER.fullmatch(text)
    return int(found[1] + (found[2].lstrip("0") or "0")[:20]) if found else None


@dataclass(slots=True, frozen=True)
class Records:
    """What the records of one mode of a command are called in JSON: `name` in the schema's name, `key` in the object."""

    name: str
    key: str


def formatter(
    call: Call,
    columns: Sequence[Column[Record]],
    fields: str | None,
    *,
    parsable: bool,
    wrap: bool = False,
    default: Sequence[str] = (),
    records: Records | None = None,
) -> Formatter[Record]:
    """The formatter for a field list; ends the command at one that cannot be used, warns of one that can in part.

    `default` names the columns that are shown when nobody chose, for commands that know more (the others by `-o`); with `--json` all are.
    `records` is for a mode whose records are of another kind than those of the command's row.
    """
    if default and not (parsable or call.json) and (fields is None or fields.lower() == "all"):
        fields = ",".join(default)
    try:
        chosen = select(columns, fields, parsable=parsable)
    except FieldError as error:
        call.terminal.die(str(error))
    if chosen.warning:
        call.terminal.warn(chosen.warning)
    if call.json:
        return _json_formatter(call, chosen.columns, records or Records(call.row.name, call.row.records))
    mode = Mode.PARSABLE if parsable else Mode.WRAP if wrap else Mode.TABLE
    return Formatter(chosen.columns, mode, rows=call.terminal.rows)


def _json_formatter(call: Call, columns: Sequence[Column[Record]], records: Records) -> Formatter[Record]:
    from dladm.ofmt_json import JsonFormatter, schema_name

    made = JsonFormatter(columns, schema_name("dladm", records.name), records.key)
    call.documents.append(made)
    return made


def check_parsable(call: Call, fields: str | None, *, parsable: bool) -> None:
    """What show-link and its like test before the field list itself (DLM 4.4)."""
    if parsable and fields is None:
        call.terminal.die("-p requires -o")
    if parsable and fields is not None and fields.lower() == "all":
        call.terminal.die('"-o all" is invalid with -p')


def find_link(call: Call, name: str) -> LinkInfo:
    """A link by its name; with `-z` only in that zone. Errors: `DladmError` NOTFOUND …"""
    try:
        link = call.handle.dlmgmt.name2info(name)
    except KernelError as error:
        raise DladmError.of(error) from error
    if not _in_zone(call, link):
        raise DladmError(Status.NOTFOUND)
    return link


def walk(call: Call, classes: int, flags: int) -> list[LinkInfo]:
    """The links of these classes that have any of these flags, by ascending id; with `-z` those of that zone."""
    return [link for link in call.handle.dlmgmt.walk(classes, flags) if _in_zone(call, link)]


def _in_zone(call: Call, link: LinkInfo) -> bool:
    return call.zone is None or link.zone == ("" if call.zone == GLOBAL_ZONE else call.zone)


def shown_flag(*, stored: bool) -> DatalinkFlag:
    """The flag that a link must have to be listed."""
    return DatalinkFlag.PERSIST if stored else DatalinkFlag.ACTIVE


def note_for_root(call: Call, directory: str) -> int:
    """`-R DIR`: append the command, without that option, to the upgrade script below DIR; exit status 0."""
    words = [call.row.name]
    skip = False
    for word in call.words:
        attached = (word.startswith("-R") and len(word) > 2) or word.startswith("--root-dir=")
        if not skip and not attached and word not in {"-R", "--root-dir"}:
            words.append(word)
        skip = not skip and word in {"-R", "--root-dir"}
    script = Path(directory) / UPGRADE_SCRIPT
    try:
        script.parent.mkdir(parents=True, exist_ok=True)
        with script.open("a", encoding="utf-8", errors="surrogateescape") as out:
            out.write(f"/sbin/dladm {shlex.join(words)}\n")
    except OSError as error:
        call.terminal.die(f"cannot note the command in {script}: {error.strerror}")
    return 0
