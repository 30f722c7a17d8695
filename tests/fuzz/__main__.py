"""`python -m tests.fuzz TARGET [-runs=N] …`: coverage-guided, by atheris; the corpus grows in tests/fuzz/corpus/TARGET."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    import atheris  # type: ignore[import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["kernel_sim", "libvarpd", "dladm", "etherspan"]):
        from tests.fuzz.targets import SEEDS, TARGETS
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz TARGET [libFuzzer option]…; targets: {', '.join(TARGETS)}")
    corpus = Path(__file__).parent / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], str(corpus), "-max_len=2048", "-timeout=5", *sys.argv[2:]], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
