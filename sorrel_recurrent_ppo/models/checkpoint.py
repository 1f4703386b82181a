"""Checkpoint files: written atomically, read without executing code from them."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any, cast

import torch

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.support.atomic_files import atomic_write
from sorrel_recurrent_ppo.support.torch_switches import plain_torch

__all__ = ["FORMAT_VERSION", "read_checkpoint", "write_checkpoint"]

FORMAT_VERSION = 1
_FORMAT_KEY = "sorrel_recurrent_ppo_format"

# Precedes a SHA-256 digest of the content at the end of the file: PyTorch does not detect damaged
# bytes of tensors.
_MARK = b"sorrel_recurrent_ppo sha256 "
_TRAILER_SIZE = len(_MARK) + hashlib.sha256().digest_size


def write_checkpoint(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write a checkpoint atomically.

    Args:
        path: The file. Missing parent directories are created; an existing file is replaced.
        content: Tensors, numbers, strings, and lists and dictionaries of these.

    Raises:
        CheckpointError: The file could not be written; an existing one is unchanged.
    """
    target = Path(path)
    try:
        # Follow symlinks: replace the target, not the link.
        file = Path(os.path.realpath(target))
        if file.exists() and not file.is_file():
            raise FileExistsError("the path exists and is not a file")  # a directory or device
        data = io.BytesIO()
        torch.save({_FORMAT_KEY: FORMAT_VERSION, **content}, data)
        body = data.getbuffer()
        with atomic_write(file) as partial, partial.open("wb") as stream:
            stream.write(body)
            stream.write(_MARK + hashlib.sha256(body).digest())
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: an invalid file name
        raise CheckpointError(f"checkpoint {target} could not be written: {error}") from error


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Args:
        path: A file written by :func:`write_checkpoint`.

    Returns:
        The content, and the format version under a key of its own.

    Raises:
        CheckpointError: The file is missing, damaged, not a checkpoint of this package, of a newer
            format, or contains objects that could execute code.
    """
    target = Path(path)
    try:
        if not target.is_file():  # opening a pipe would block
            what = "is not a file" if target.exists() else "does not exist"
            raise CheckpointError(f"checkpoint {target} {what}")
        data = target.read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"checkpoint {target} could not be read: {error}") from error
    body, trailer = data[:-_TRAILER_SIZE], data[-_TRAILER_SIZE:]
    if trailer != _MARK + hashlib.sha256(body).digest():
        raise CheckpointError(
            f"{target} is damaged, truncated, or not a checkpoint of sorrel_recurrent_ppo"
        )
    try:
        with plain_torch():
            content = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"checkpoint {target} contains objects other than tensors and plain values; they are "
            "not loaded because they could execute code"
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(f"checkpoint {target} is damaged: {error!r}") from error
    if not isinstance(content, dict) or _FORMAT_KEY not in content:
        raise CheckpointError(f"{target} is not a checkpoint of sorrel_recurrent_ppo")
    _check_version(target, content[_FORMAT_KEY])
    return cast("dict[str, Any]", content)


def _check_version(target: Path, version: Any) -> None:
    """Raise CheckpointError for a format that this version cannot read; the oldest is 1."""
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CheckpointError(
            f"checkpoint {target} has format {version!r}, expected an integer of at least 1"
        )
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"checkpoint {target} has format {version}, newer than {FORMAT_VERSION}: "
            "update sorrel_recurrent_ppo to read it"
        )
