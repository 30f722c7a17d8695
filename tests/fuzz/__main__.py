"""`python -m tests.fuzz TARGET [-runs=N] …`: coverage-guided, by atheris.

What it finds worth keeping is added to tests/fuzz/corpus/TARGET.hex, a line an input; what breaks the target is left in the working folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
KEPT_MAX = 120
"""Inputs of a target: the shortest of those that are kept."""


def fuzz(name: str, folder: str, options: list[str]) -> None:
    """Run the engine; it ends the process."""
    import atheris  # type: ignore[import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["kernel_sim", "libvarpd", "dladm", "etherspan"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([name, folder, "-max_len=2048", "-timeout=5", *options], TARGETS[name])
    atheris.Fuzz()


def main() -> int:
    from tests.fuzz.targets import SEEDS

    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in SEEDS:
        sys.exit(f"usage: python -m tests.fuzz TARGET [libFuzzer option]…; targets: {', '.join(SEEDS)}")
    kept = CORPUS / f"{name}.hex"
    CORPUS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        lines = kept.read_text().split() if kept.exists() else []
        for number, data in enumerate([*SEEDS[name], *map(bytes.fromhex, lines)]):
            Path(folder, f"kept{number}").write_bytes(data)
        code = f"from tests.fuzz.__main__ import fuzz; fuzz({name!r}, {folder!r}, {sys.argv[2:]!r})"
        status = subprocess.run([sys.executable, "-c", code], check=False).returncode
        found = sorted(
            {path.read_bytes() for path in Path(folder).iterdir()} - {b""}, key=lambda data: (len(data), data)
        )
        kept.write_text("".join(f"{data.hex()}\n" for data in found[:KEPT_MAX]))
    return status


if __name__ == "__main__":
    sys.exit(main())
