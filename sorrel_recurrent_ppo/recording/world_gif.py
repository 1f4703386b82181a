"""GIFs of the world, as Sorrel draws them, at a size that can be seen."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageSequence

from sorrel_recurrent_ppo.support.atomic_files import atomic_write

__all__ = ["MIN_WIDTH", "GifEnlarger", "enlarge_gif"]

MIN_WIDTH = 400


def enlarge_gif(path: Path, min_width: int = MIN_WIDTH) -> None:
    """Enlarge the pixels of a GIF by a whole number, so that it has at least a width.

    Args:
        path: The file, which is replaced unless it is wide enough.
        min_width: The width, in pixels.
    """
    with Image.open(path) as gif:
        factor = math.ceil(min_width / gif.width)
        if factor == 1:
            return
        size = (gif.width * factor, gif.height * factor)
        duration, loop = gif.info.get("duration", 100), gif.info.get("loop", 0)
        frames = [
            frame.convert("RGBA").resize(size, Image.Resampling.NEAREST)
            for frame in ImageSequence.Iterator(gif)
        ]
    with atomic_write(path) as partial:
        frames[0].save(
            partial,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=duration,
            loop=loop,
            disposal=2,
        )


class GifEnlarger:
    """Epoch-end callback that enlarges the GIFs that have been added to a folder.

    Args:
        folder: The folder; it may not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = set(folder.glob("*.gif"))

    def __call__(self, runner: object, epoch: int) -> None:
        """Enlarge the new GIFs."""
        for path in set(self._folder.glob("*.gif")) - self._seen:
            enlarge_gif(path)
            self._seen.add(path)
