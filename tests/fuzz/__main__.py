"""`python -m tests.fuzz TARGET [-runs=N] …`: coverage-guided, by atheris.

What it finds is kept in tests/fuzz/corpus/TARGET.hex, a line an input: short ones first, and only such as take a branch that no
shorter one takes. What breaks the target is left in the working folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path


def fuzz(name: str, folder: str, options: list[str]) -> None:
    """Run the engine; it ends the process."""
    import atheris  # type: ignore[import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["kernel_sim", "libvarpd", "dladm", "etherspan"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([name, folder, "-max_len=2048", "-timeout=5", *options], TARGETS[name])
    atheris.Fuzz()


def main() -> int:
    from tests.fuzz.reach import CORPUS, chosen, corpus
    from tests.fuzz.targets import TARGETS

    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz TARGET [libFuzzer option]…; targets: {', '.join(TARGETS)}")
    kept = CORPUS / f"{name}.hex"
    CORPUS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(corpus(name)):
            Path(folder, f"kept{number}").write_bytes(data)
        code = f"from tests.fuzz.__main__ import fuzz; fuzz({name!r}, {folder!r}, {sys.argv[2:]!r})"
        status = subprocess.run([sys.executable, "-c", code], check=False).returncode
        found = {path.read_bytes() for path in Path(folder).iterdir()}
    kept.write_text("".join(f"{data.hex()}\n" for data in chosen(TARGETS[name], found)))
    return status


if __name__ == "__main__":
    sys.exit(main())
