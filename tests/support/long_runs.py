"""Run directories with the CSV files of a million epochs, generated from those of a short run."""

import csv
import io

import numpy as np
from omegaconf import OmegaConf

_BLOCK = 20_000  # epochs
_REWARD = "00.00"


def lengthen(files, n_epochs):
    """Replace the rows of a run by those of ``n_epochs`` epochs, with the cells of its last rows.

    Epochs and rewards differ from row to row.
    """
    for path in (files.metrics, files.agents):
        _write_rows(path, n_epochs)
    config = OmegaConf.load(files.config)
    config.experiment.epochs = n_epochs - 1  # pyright: ignore[reportAttributeAccessIssue]
    OmegaConf.save(config, files.config)


def _write_rows(path, n_epochs):
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    last = [row for row in rows if row["epoch"] == rows[-1]["epoch"]]
    with path.open("wb") as file:
        file.write(",".join(reader.fieldnames or ()).encode() + b"\r\n")
        first = 0
        while first < n_epochs:
            n_digits = len(str(first))
            end = min(first + _BLOCK, n_epochs, 10**n_digits)
            file.write(_block(last, np.arange(first, end), n_digits))
            first = end


def _block(rows, epochs, n_digits):
    """Return the rows of epochs whose numbers have the same number of digits."""
    texts, epoch_columns, reward_columns, size = [], [], [], 0
    for row in rows:
        text = io.StringIO(newline="")
        cells = {**row, "epoch": "0" * n_digits, "reward": _REWARD}
        csv.DictWriter(text, cells).writerow(cells)
        texts.append(text.getvalue())
        epoch_columns.append(size)
        reward_columns.append(size + texts[-1].index(_REWARD))
        size += len(texts[-1])
    block = np.tile(np.frombuffer("".join(texts).encode(), np.uint8), (len(epochs), 1))
    for column in epoch_columns:
        _write_digits(block, column, epochs, n_digits)
    for k, column in enumerate(reward_columns):
        _write_digits(block, column, (epochs * 7 + k) % 100, 2)
        _write_digits(block, column + 3, (epochs * 13 + k) % 100, 2)
    return block.tobytes()


def _write_digits(block, column, numbers, n_digits):
    for k in range(n_digits):
        digit = numbers // 10 ** (n_digits - 1 - k) % 10
        block[:, column + k] = digit + ord("0")
