"""Properties of services: the repository that svccfg changes and svcprop shows. Pure.

A property is called GROUP/NAME and has a type and values. There are two versions of all of them: *current* is what svccfg edits,
*running* is what services are started with; a refresh of a service makes its current properties the running ones, as smf(7) has it.

The file is JSON: service to version to property to `{"type": T, "values": [V …]}`; what it does not mention is as the manifest has it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from dladm.libscf.protocol import VARPD
from kernel_sim.sys.errno import Errno, KernelError

TYPES: Final = frozenset(
    {"astring", "ustring", "fmri", "host", "hostname", "uri", "boolean", "count", "integer", "time"}
)
"""Types that values may have; the first six are texts."""
INCLUDE_PATH: Final = "varpd/include_path"
"""Directories of search plugins, absolute paths of the host (VPD 2.5)."""


@dataclass(slots=True, frozen=True)
class Property:
    """A property's type and values."""

    type: str
    values: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"type": self.type, "values": list(self.values)}

    @classmethod
    def from_json(cls, found: Any) -> Self:
        """Errors: EINVAL for what is no property."""
        match found:
            case {"type": str(kind), "values": [*values]} if all(isinstance(one, str) for one in values):
                made = cls(kind, tuple(values))
                check(made)
                return made
        raise KernelError(Errno.EINVAL, f"{found!r} is no property")


Properties = Mapping[str, Property]

MANIFEST: Final[Mapping[str, Properties]] = {VARPD: {INCLUDE_PATH: Property("astring", ("/usr/lib/varpd",))}}
"""What services have from the start; nothing but these services and their groups can be configured."""


def check(wanted: Property) -> None:
    """Errors: EINVAL for an unknown type, or a value that is none of its type."""
    if wanted.type not in TYPES:
        raise KernelError(Errno.EINVAL, f'unknown type "{wanted.type}"; there are: {", ".join(sorted(TYPES))}')
    for value in wanted.values:
        good = {
            "boolean": value in {"true", "false"},
            "count": value.isascii() and value.isdigit(),
            "integer": value.removeprefix("-").isdigit() and value.isascii(),
            "time": value.replace(".", "", 1).isdigit() and value.isascii(),
        }.get(wanted.type, True)
        if not good:
            raise KernelError(Errno.EINVAL, f'"{value}" is not a legal {wanted.type}')


@dataclass(slots=True, frozen=True)
class Repository:
    """Both versions of what differs from the manifest."""

    current: Mapping[str, Properties] = field(default_factory=dict)
    running: Mapping[str, Properties] = field(default_factory=dict)

    def properties(self, fmri: str, *, running: bool = False) -> Properties:
        """The properties of a service by name. Errors: ENOENT it has none."""
        if fmri not in MANIFEST:
            raise KernelError(Errno.ENOENT, f"{fmri} has no properties")
        version = self.running if running else self.current
        return version.get(fmri, MANIFEST[fmri])

    def with_property(self, fmri: str, name: str, wanted: Property) -> Repository:
        """Set a property. Errors: ENOENT no such service or property group; EINVAL see `check`."""
        known = self.properties(fmri)
        group = name.partition("/")[0]
        if group not in {one.partition("/")[0] for one in (*known, *MANIFEST[fmri])} or name.count("/") != 1:
            raise KernelError(Errno.ENOENT, f'no such property group "{group}"')
        check(wanted)
        return replace(self, current={**self.current, fmri: {**known, name: wanted}})

    def without_property(self, fmri: str, name: str) -> Repository:
        """Delete a property. Errors: ENOENT."""
        known = self.properties(fmri)
        if name not in known:
            raise KernelError(Errno.ENOENT, f'no such property "{name}"')
        return replace(
            self, current={**self.current, fmri: {one: value for one, value in known.items() if one != name}}
        )

    def refreshed(self, fmri: str) -> Repository:
        """The current properties of a service are the running ones from now on."""
        if fmri not in self.current:
            return self
        return replace(self, running={**self.running, fmri: self.current[fmri]})

    def render(self) -> bytes:
        """The file's bytes."""
        fmris = sorted({*self.current, *self.running})
        found = {
            fmri: {
                version: {name: one.to_json() for name, one in part[fmri].items()}
                for version, part in (("current", self.current), ("running", self.running))
                if fmri in part
            }
            for fmri in fmris
        }
        return (json.dumps(found, indent=1) + "\n").encode()

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file. Errors: EINVAL for bytes that `render` does not make."""
        try:
            found = json.loads(raw or b"{}")
            versions = {
                version: {
                    fmri: {name: Property.from_json(one) for name, one in parts[version].items()}
                    for fmri, parts in found.items()
                    if version in parts
                }
                for version in ("current", "running")
            }
        except (ValueError, AttributeError, TypeError) as error:
            raise KernelError(Errno.EINVAL, f"not a repository: {error}") from error
        return cls(**versions)
