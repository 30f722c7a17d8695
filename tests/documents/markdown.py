"""The commands of Markdown documents: what a reader may copy, and what a document says comes of it.

Blocks that run are those of the kinds `sh` (commands, as one script) and `console` (a line that begins with `# ` or `$ ` is a command, what
follows is all that it prints). A block `text` right below one of `sh` is all that this prints. In outputs `…` stands for anything.

A comment, which no reader sees, stands before the block it is about:

| comment | what |
|---|---|
| `<!-- doc: run COMMAND -->` | run this first, unseen; it must end with 0 |
| `<!-- doc: on HOST -->` | the block is typed on that host of the lab that is up |
| `<!-- doc: exit 1 -->` | the block, or its first command, ends with this status; without it, and all others, with 0 |
| `<!-- doc: varies -->` | in what the block prints each word with a digit stands for any such word |
| `<!-- doc: serves -->` | each command goes on until it is ended, and says first that it listens |
| `<!-- doc: elsewhere TEST -->` | the test file TEST runs it |
| `<!-- doc: not run: WHY -->` | nothing runs it |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
KINDS = {"sh", "console", "text", "python", "json", "toml", "mermaid"}
PROMPT = ("# ", "$ ")
_FENCE = re.compile(r"^```(\S*)$")
_HERE = re.compile(r"<<'?(\w+)'?")
_NOTE = re.compile(r"^<!-- doc: (.+) -->$")


@dataclass(slots=True)
class Step:
    """A command, or a script, and what it prints; None if the document does not say."""

    line: int
    command: str
    output: list[str] | None = None


@dataclass(slots=True)
class Block:
    """A block with the notes before it."""

    line: int
    kind: str
    text: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    output: list[str] | None = None

    def note(self, word: str) -> str | None:
        """What a note says after its word; None without such a note."""
        found = [note.partition(" ")[2] for note in self.notes if note.split()[0] == word]
        return found[-1] if found else None

    @property
    def runs(self) -> bool:
        """Whether a test of the documents runs it."""
        return self.kind in {"sh", "console"} and self.note("not") is None and self.note("elsewhere") is None

    @property
    def before(self) -> list[str]:
        """Commands that run first."""
        return [note.removeprefix("run ") for note in self.notes if note.startswith("run ")]

    @property
    def steps(self) -> list[Step]:
        """What runs, each with what it prints. Errors: ValueError for an output before the first command."""
        if self.kind == "sh":
            return [Step(self.line, "\n".join(self.text), self.output)]
        found: list[Step] = []
        goes_on, end = False, ""
        for number, text in enumerate(self.text, self.line + 1):
            if goes_on:
                found[-1].command += f"\n{text}"
            elif text.startswith(PROMPT):
                found.append(Step(number, text[2:], []))
            elif found:
                assert found[-1].output is not None
                found[-1].output.append(text)
            else:
                raise ValueError(f"line {number}: an output without a command")
            if end:
                end = "" if text == end else end
            elif goes_on or text.startswith(PROMPT):
                here = _HERE.search(text)
                end = here[1] if here else ""
            goes_on = bool(end) or ((goes_on or text.startswith(PROMPT)) and text.endswith("\\"))
        return found

    @property
    def commands(self) -> list[str]:
        """The commands, one a line; of a here-document only the first line."""
        lines = [line for step in self.steps for line in step.command.replace("\\\n", " ").splitlines()]
        found: list[str] = []
        end = ""
        for line in lines:
            if end:
                end = "" if line == end else end
                continue
            here = _HERE.search(line)
            end = here[1] if here else ""
            bare = re.sub(r"(^|\s+)#.*", "", line).strip()
            if bare:
                found.append(bare)
        return found


def blocks(path: Path) -> list[Block]:
    """All blocks of a document. Errors: ValueError with the number of the line."""
    found: list[Block] = []
    notes: list[str] = []
    inside = False
    end = 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if inside and fence:
            inside = False
            end = number
        elif inside:
            found[-1].text.append(line)
        elif re.match(r"\s+```|\s*~~~", line):
            raise ValueError(f"line {number}: a block that tests do not see: begin it with ``` in the first column")
        elif fence:
            if fence[1] not in KINDS:
                raise ValueError(
                    f"line {number}: a block of the kind {fence[1]!r}; known are {', '.join(sorted(KINDS))}"
                )
            inside = True
            block = Block(number, fence[1], notes=notes)
            if block.kind == "text" and found and found[-1].kind == "sh" and number - end <= len(notes) + 2:
                found[-1].output = block.text
                found[-1].notes += notes
            found.append(block)
            notes = []
        elif note := _NOTE.match(line):
            notes.append(note[1])
        elif notes and line.strip():
            raise ValueError(f"line {number}: the notes before it are about no block")
    return found
