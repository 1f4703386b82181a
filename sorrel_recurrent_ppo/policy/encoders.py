"""Encoders, which map single observations to features."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from sorrel_recurrent_ppo.policy.cpu.linear import Linear
from sorrel_recurrent_ppo.policy.observations import ObservationLayout

__all__ = ["Encoder", "FlatEncoder", "PictureEncoder", "build_encoder"]


class FlatEncoder(nn.Module):
    """One fully connected layer over the observation."""

    def __init__(self, layout: ObservationLayout, width: int):
        super().__init__()
        self.linear = Linear(layout.size, width)
        self.output_size = width

    def forward(self, obs: Tensor) -> Tensor:
        """Map ``(N, size)`` to ``(N, output_size)``."""
        return torch.relu(self.linear(obs))


class PictureEncoder(nn.Module):
    """Two 3x3 convolutions and a linear layer for the picture; the scalars are appended to them.

    The scalars bypass these layers, since learning from a few numbers among thousands of pixels
    would be slow.
    """

    def __init__(self, layout: ObservationLayout, width: int):
        super().__init__()
        assert layout.picture is not None
        channels, height, area_width = layout.picture
        self.picture = layout.picture
        self.picture_size = layout.picture_size
        self.conv1 = nn.Conv2d(channels, 32, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.linear = Linear(64 * height * area_width, width)
        self.output_size = width + layout.n_scalars

    def forward(self, obs: Tensor) -> Tensor:
        """Map ``(N, size)`` to ``(N, output_size)``."""
        picture = cast(Tensor, obs[:, : self.picture_size].unflatten(1, self.picture))
        x = torch.relu(self.conv1(picture))  # (N, C, H, W)
        x = torch.relu(self.conv2(x))
        x = torch.relu(self.linear(x.flatten(1)))
        return torch.cat((x, obs[:, self.picture_size :]), dim=1)


type Encoder = FlatEncoder | PictureEncoder


def build_encoder(layout: ObservationLayout, width: int) -> Encoder:
    """Return the encoder for a layout, with ``width`` outputs plus the layout's scalars."""
    return PictureEncoder(layout, width) if layout.picture else FlatEncoder(layout, width)
