"""Every message that docs/reference/dladm.md gives in its sections 2 to 6 is expected, word for word, by a transcript or a test.

A message of the sheet is a code span of several words. Its placeholders stand for anything.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
PLACEHOLDERS: Final = re.compile(
    r"<[a-z]+>|(?<![A-Za-z])(?:NAME|LINK|ARG|LIST|ENCAP|ID|OLD|NEW|HOST|X|N|I|a,b,c)(?![A-Za-z])|…"
)
NO_MESSAGES: Final = {
    "records_and_headers_so_far mod R == 0": "a rule",
    "length so far (with commas) + length of next piece > width": "a rule",
    "failed to create libvarpd handle: <strerror>": "SOS; here varpd is brought online first, and the door is there",
    "unset required propert: NAME": "older releases (DLM-Q39)",
    "overlay creation failed: <unknown error>": "SOS (DLM-Q3)",
    "failed to resolve or find entries for hostname HOST": "of the search plugin svp",
    "cannot reach any remote peers": "of the search plugin svp",
    "non-existent vnic 'X'": "of a VNIC that goes while it is looked at; here both looks are one",
    "'fixed' is not a valid MAC address": "given with the whole word that was typed (DLM-Q32)",
}
"""Spans that no command here prints, and why."""


def messages() -> list[str]:
    sheet = (ROOT / "docs/reference/dladm.md").read_text()
    body = sheet[sheet.index("## 2. create-overlay") : sheet.index("## 7. Golden")]
    spans = dict.fromkeys(re.findall(r"(?<!`)`([^`\n|]{8,})`(?!`)", body))
    worded = re.compile(r"""[a-z'A-Z"-].*[a-zA-Z]{3,} [a-zA-Z'<]{2,}""")
    commands = ("dladm create", "dladm set")
    return [one for one in spans if worded.match(one) and not one.startswith(commands) and one not in NO_MESSAGES]


@pytest.fixture(scope="module")
def expectations() -> str:
    found = [*ROOT.glob("tests/transcripts/dladm/*.t"), *ROOT.glob("tests/unit/dladm/**/*.py")]
    return "\n".join(path.read_text() for path in found if path != Path(__file__))


def test_the_sheet_has_messages() -> None:
    assert len(messages()) > 100


@pytest.mark.parametrize("message", messages())
def test_some_test_expects(message: str, expectations: str) -> None:
    texts = [re.escape(part) for part in PLACEHOLDERS.split(message)]
    assert re.search("[^\n]*?".join(texts), expectations), f"nobody expects {message!r}"
