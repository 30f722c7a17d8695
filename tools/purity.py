"""Check what imports cannot show: pure modules call neither `open` nor `id`.

The list of pure modules is the one of the import-linter contract "pure core" in pyproject.toml, so there is one list.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN_CALLS = {"open", "id", "input", "print", "exec", "eval"}


def pure_files() -> list[Path]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contract = next(c for c in config["tool"]["importlinter"]["contracts"] if c["id"] == "pure")
    files: list[Path] = []
    for module in contract["source_modules"]:
        path = ROOT / module.replace(".", "/")
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return files


def offences(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(), str(path))
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}: a pure module calls {node.func.id}()"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS
    ]


def main() -> int:
    files = pure_files()
    found = [line for path in files for line in offences(path)]
    print(
        "\n".join(found) if found else f"purity: {len(files)} modules, none calls {', '.join(sorted(FORBIDDEN_CALLS))}"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
