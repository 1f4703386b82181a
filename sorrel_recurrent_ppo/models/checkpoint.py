"""Checkpoint files: written whole or not at all, read without running anything in them."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.support.atomic_files import atomic_write

__all__ = ["FORMAT_VERSION", "read_checkpoint", "write_checkpoint"]

FORMAT_VERSION = 1
_FORMAT_KEY = "sorrel_recurrent_ppo_format"

# At the end of the file, before a SHA-256 digest of all before it: PyTorch itself reads tensors
# whose bytes have been damaged without a word.
_MARK = b"sorrel_recurrent_ppo sha256 "
_TRAILER_SIZE = len(_MARK) + hashlib.sha256().digest_size


def write_checkpoint(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write a checkpoint: a temporary file beside it first, then a rename.

    Args:
        path: The file; missing folders are made, an older file is replaced.
        content: Tensors, numbers, strings, and lists and dictionaries of these.

    Raises:
        CheckpointError: It could not be written; an older file is then as it was.
    """
    target = Path(path)
    try:
        # A link stays one: it is the file that it leads to which is replaced.
        file = Path(os.path.realpath(target))
        if file.exists() and not file.is_file():
            raise FileExistsError("there is something that is not a file")  # a folder, a device
        data = io.BytesIO()
        torch.save({_FORMAT_KEY: FORMAT_VERSION, **content}, data)
        body = data.getbuffer()
        with atomic_write(file) as partial, partial.open("wb") as stream:
            stream.write(body)
            stream.write(_MARK + hashlib.sha256(body).digest())
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: no name for a file
        raise CheckpointError(f"checkpoint {target} could not be written: {error}") from error


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Args:
        path: A file of :func:`write_checkpoint`.

    Raises:
        CheckpointError: The file is missing, damaged, no checkpoint of ours, of a newer format,
            or holds objects that would run code.
    """
    target = Path(path)
    try:
        if not target.is_file():  # to open a pipe would wait for ever
            what = "is not a file" if target.exists() else "does not exist"
            raise CheckpointError(f"checkpoint {target} {what}")
        data = target.read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"checkpoint {target} could not be read: {error}") from error
    body, trailer = data[:-_TRAILER_SIZE], data[-_TRAILER_SIZE:]
    if trailer != _MARK + hashlib.sha256(body).digest():
        raise CheckpointError(
            f"{target} is damaged, cut off, or not a checkpoint of sorrel_recurrent_ppo"
        )
    try:
        content = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"checkpoint {target} holds objects other than tensors and plain values, which are not "
            "loaded since they could run code"
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(f"checkpoint {target} is damaged: {error!r}") from error
    if not isinstance(content, dict) or _FORMAT_KEY not in content:
        raise CheckpointError(f"{target} is not a checkpoint of sorrel_recurrent_ppo")
    _check_version(target, content[_FORMAT_KEY])
    return content


def _check_version(target: Path, version: Any) -> None:
    """Refuse a format that this version cannot read; there is none older than 1 yet."""
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CheckpointError(
            f"checkpoint {target} says format {version!r}, which no version has written"
        )
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"checkpoint {target} has format {version}, newer than {FORMAT_VERSION}: "
            "update sorrel_recurrent_ppo to read it"
        )
