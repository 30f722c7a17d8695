"""Name the Debian packages that a make target misses, before it starts."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NEEDS = {
    "test": {
        "tshark": "tshark",
        "dumpcap": "wireshark-common",
        "busybox": "busybox",
        "dnsmasq": "dnsmasq-base",
        "jq": "jq",
        "zsh": "zsh",
        "fish": "fish",
        "mandoc": "mandoc",
        "postgres": "postgresql",
        "ip": "iproute2",
        "strace": "strace",
    },
}

# Debian keeps the server's programs, of each version, out of PATH.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])


def main(target: str) -> int:
    missing = sorted(
        {package for program, package in NEEDS[target].items() if shutil.which(program, path=PATH) is None}
    )
    if missing:
        print(f"make {target} needs more programs: apt-get install {' '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
