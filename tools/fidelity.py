"""Say which numbered facts of docs/reference no passing test pins.

`pytest --facts FILE` writes the ids cited by the tests that passed (marks `@pytest.mark.fact`, lines `# fact:` in transcripts); this
compares them with the sheets. An id is SHEET-KIND-NUMBER: I invariant, B bad input, Q known quirk.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

SHEETS = {"KRN": "kernel.md", "VPD": "libvarpd.md", "SVP": "svp.md", "DLM": "dladm.md"}
KINDS = {"Invariants worth property tests": "I", "Bad input catalogue": "B", "Known quirks": "Q"}
ROW = re.compile(r"^(?:\| ?Q?(\d+) \||(\d+)\. )")
INLINE = re.compile(r"(?:(?<=\s)|^)(\d+)\. (?=\S)")


def sheet_ids(sheet: str, text: str) -> list[str]:
    """Every fact id of one sheet, in order."""
    found: list[str] = []
    kind = ""
    for line in text.splitlines():
        if line.startswith("## "):
            kind = next((k for title, k in KINDS.items() if title in line), "")
            continue
        if not kind:
            continue
        numbers = [m.group(1) or m.group(2)] if (m := ROW.match(line)) else []
        if sheet == "SVP" and kind == "Q":  # several to a line there
            have = sum(one.startswith("SVP-Q") for one in found)
            numbers = [n for n in INLINE.findall(line) if int(n) > have]
        found += [one for n in numbers if (one := f"{sheet}-{kind}{n}") not in found]
    return found


def main(cited_file: str) -> int:
    folder = Path(__file__).resolve().parent.parent / "docs" / "reference"
    cited = set(json.loads(Path(cited_file).read_text()))
    total = covered = 0
    for sheet, name in SHEETS.items():
        ids = sheet_ids(sheet, (folder / name).read_text())
        total += len(ids)
        covered += sum(one in cited for one in ids)
        for kind in "IBQ":
            group = [one for one in ids if one.startswith(f"{sheet}-{kind}")]
            if not group:
                continue
            rest = [one.rpartition("-")[2] for one in group if one not in cited]
            print(
                f"{sheet}-{kind}: {len(group) - len(rest)}/{len(group)}" + (f"  open: {' '.join(rest)}" if rest else "")
            )
    print(f"all: {covered}/{total}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
