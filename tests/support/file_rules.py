"""The rules of Windows and macOS for files, checked in a process on Linux.

`FileRules` wraps the functions of the operating system that the rules are about:

- A file is synced through a descriptor that may write, and no directory is synced.
- A file is not replaced, renamed or removed while it is open or mapped.
- A text file is opened with an encoding.
- Names of files are valid on every system.
"""

import builtins
import fcntl
import io
import os
import stat
import traceback
from pathlib import Path

FORBIDDEN = set('<>:"\\|?*') | {chr(number) for number in range(32)}
RESERVED = {"con", "prn", "aux", "nul"} | {f"{n}{k}" for n in ("com", "lpt") for k in range(1, 10)}


class FileRules:
    """Records every breach of the rules for files below a directory.

    Attributes:
        breaches: A description of each breach.
        checked: The names of the wrapped functions that were called for such files.
    """

    def __init__(self, directory):
        self.directory = os.path.realpath(directory)
        self.breaches = []
        self.checked = set()
        self._own = {
            (os, "fsync"): self._fsync,
            **{(os, name): self._replaced(name) for name in ("replace", "rename")},
            **{(os, name): self._removed(name) for name in ("remove", "unlink")},
            (builtins, "open"): self._open,
            (io, "open"): self._open,
        }
        self._original = {}

    def __enter__(self):
        for (module, name), wrapped in self._own.items():
            self._original[module, name] = getattr(module, name)
            setattr(module, name, wrapped)
        return self

    def __exit__(self, *_):
        for (module, name), original in self._original.items():
            setattr(module, name, original)
        self._check_names()

    def _is_inside(self, path):
        return f"{os.path.realpath(path)}{os.sep}".startswith(f"{self.directory}{os.sep}")

    def _report(self, what):
        where = traceback.extract_stack(limit=6)[:-2]
        lines = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in where]
        self.breaches.append(f"{what} ({' < '.join(reversed(lines))})")

    def _fsync(self, descriptor):
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        path = os.readlink(f"/proc/self/fd/{number}")
        if self._is_inside(path):
            self.checked.add("fsync")
            if stat.S_ISDIR(os.fstat(number).st_mode):
                self._report(f"the directory {path} is synced")
            elif fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                self._report(f"{path} is synced through a descriptor that only reads")
        self._original[os, "fsync"](number)

    def _replaced(self, name):
        def replaced(source, target, **options):
            self._check_closed(name, source, target)
            self._original[os, name](source, target, **options)

        return replaced

    def _removed(self, name):
        def removed(path, **options):
            self._check_closed(name, path)
            self._original[os, name](path, **options)

        return removed

    def _check_closed(self, name, *paths):
        for path in paths:
            if self._is_inside(path):
                self.checked.add(name)
                if os.path.realpath(path) in _used_files():
                    self._report(f"{name}: {path} is open")

    def _open(self, file, mode="r", buffering=-1, encoding=None, *others, **options):
        is_path = isinstance(file, str | os.PathLike)
        if is_path and "b" not in mode and self._is_inside(file):
            self.checked.add("open")
            if encoding in (None, "locale"):
                self._report(f"{file} is opened as text without an encoding")
        opened = self._original[io, "open"]
        return opened(file, mode, buffering, encoding, *others, **options)

    def _check_names(self):
        for folder, subfolders, names in os.walk(self.directory):
            for name in (*subfolders, *names):
                if breach := breach_of_name(name):
                    self.breaches.append(f"{folder}: the name {name!r} {breach}")
            lowered = [name.lower() for name in (*subfolders, *names)]
            if len(set(lowered)) < len(lowered):
                self.breaches.append(f"{folder}: names differ in their case only")


def breach_of_name(name):
    """Return what makes the name of a file invalid on Windows, or ``None``."""
    if found := sorted(FORBIDDEN & set(name)):
        return f"contains {found}"
    if name.endswith((".", " ")):
        return "ends with a dot or a space"
    return "is reserved" if name.partition(".")[0].lower() in RESERVED else None


def _used_files():
    """Return the files that this process has open or mapped."""
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    used = {os.readlink(link) for link in links if os.path.lexists(link)}
    with io.FileIO("/proc/self/maps") as maps:
        lines = maps.readall().decode().splitlines()
    return used | {line.split(maxsplit=5)[5] for line in lines if "/" in line}
