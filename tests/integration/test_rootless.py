"""Somebody who is not root: hosts in a user namespace where the machine allows it, and what is said where it does not.

The user is 65534, without any capability, in a mount namespace of the test's own, where /dev/net/tun has the mode that the test wants
and the interpreter can be read.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else and to make a device node"),
]

USER = 65534
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
AS_USER = f"setpriv --reuid {USER} --regid {USER} --clear-groups --inh-caps=-all --bounding-set=-all"

OPEN = """
open_way() {{ # a folder that others may not enter is replaced by one that holds only what is needed
  local path=$1 part=
  for name in $(dirname "$path" | tr / ' '); do
    part=$part/$name
    setpriv --reuid {user} --regid {user} --clear-groups test -x "$part" && continue
    mkdir "{folder}/kept"; mount --bind "$path" "{folder}/kept"
    mount -t tmpfs -o mode=755 tmpfs "$part"; mkdir -p "$path"; mount --bind "{folder}/kept" "$path"
    umount -l "{folder}/kept"; rmdir "{folder}/kept"
    return
  done
}}
set -e
mount --make-rprivate /
mkdir {folder}/dev; mount -t tmpfs -o mode=755 tmpfs {folder}/dev
mknod -m {mode} {folder}/dev/tun c 10 200; chmod {mode} {folder}/dev/tun
mount --bind {folder}/dev/tun /dev/net/tun
open_way {base}; open_way {root}/x
"""


def run(folder: Path, command: str, mode: str = "0666", before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a shell command as the user, whose home is `folder`/home; `before` as root."""
    home = folder / "home"
    home.mkdir()
    os.chown(home, USER, USER)
    for one in (folder, *folder.parents):  # pytest's own folders are root's
        if one != Path("/tmp") and one.is_relative_to("/tmp"):
            one.chmod(0o755)
    script = OPEN.format(user=USER, folder=folder, mode=mode, base=sys.base_prefix, root=ROOT)
    environment = (
        f"env -i PATH={BIN}:/usr/sbin:/usr/bin:/sbin:/bin HOME={home} ETHERSPAN_STATE={home}/state PYTHONPATH={ROOT}"
    )
    script += f"{before}\ncd {home}\nexec {AS_USER} {environment} bash -c '{command}'\n"
    return subprocess.run(
        ["unshare", "--mount", "bash", "-c", script], capture_output=True, text=True, timeout=100, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_the_demo_runs_without_any_right(folder: Path) -> None:
    done = run(folder, "id -u; grep CapEff /proc/self/status; etherspan demo")
    assert done.returncode == 0, done.stdout + done.stderr
    first, second, *said = done.stdout.splitlines()
    assert (first, int(second.split()[1], 16)) == (str(USER), 0)
    assert said
    assert not (folder / "home/state/keeper.json").exists(), "the keeper ends with the last lab"


def test_doctor_says_what_gives_the_rights(folder: Path) -> None:
    done = run(folder, "etherspan doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a user namespace will give them" in done.stdout
    assert "/dev/net/tun, mode 0666" in done.stdout


@pytest.mark.parametrize("command", ["doctor", "demo"])
def test_a_device_that_is_not_open_is_named_with_its_mode_and_mend(folder: Path, command: str) -> None:
    done = run(folder, f"etherspan {command}", mode="0600")
    assert done.returncode == 1, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "/dev/net/tun, mode 0600, not open to you" in said
    assert "as root: chmod 0666 /dev/net/tun" in said
    assert "max_user_namespaces" not in said
    assert "uid_map" not in said


@pytest.mark.parametrize("command", ["doctor", "demo"])
def test_a_limit_of_no_namespaces_is_named_with_its_mend(folder: Path, command: str) -> None:
    without_rights = "setpriv --securebits +noroot,+noroot_locked --inh-caps=-all --bounding-set=-all"
    inner = f"echo 0 > /proc/sys/user/max_user_namespaces; exec {without_rights} etherspan {command}"
    done = run(folder, f'unshare --user --map-root-user bash -c "{inner}"')
    assert done.returncode == 1, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "user.max_user_namespaces is 0; as root: sysctl -w user.max_user_namespaces=15000" in said
    assert "chmod" not in said


@pytest.mark.parametrize("command", ["doctor", "demo"])
def test_a_map_of_ids_that_cannot_be_written_is_named_with_its_mend(folder: Path, command: str) -> None:
    done = run(folder, f"etherspan {command}", before="mount --bind /proc /proc; mount -o remount,bind,ro /proc")
    assert done.returncode == 1, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "/proc/self/setgroups cannot be written: Read-only file system" in said
    assert "as root: mount -o remount,rw /proc" in said
    assert "chmod" not in said
    assert "max_user_namespaces" not in said
