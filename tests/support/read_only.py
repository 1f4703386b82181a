"""Commands on a directory that is mounted read-only, for which even root has no permission."""

import shutil
import subprocess

import pytest

MOUNTED_READ_ONLY = """
mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 77
shift
exec "$@"
"""


def call_with_read_only(directory, command, **options):
    """Run a command in a mount namespace of its own; return the completed process."""
    if shutil.which("unshare") is None:
        pytest.skip("requires unshare")
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    done = subprocess.run(
        [*namespace, "sh", "-c", MOUNTED_READ_ONLY, "sh", directory, *command],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    if done.returncode in (1, 77) and ("unshare:" in done.stderr or "mount:" in done.stderr):
        pytest.skip(f"cannot mount: {done.stderr.splitlines()[0]}")
    return done
