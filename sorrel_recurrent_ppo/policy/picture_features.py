"""The features of a single picture: the picture encoder by numpy.

PyTorch's dispatch of two small convolutions takes longer than their arithmetic. A convolution is
here one product of its weight with the matrix of all 3x3 neighbourhoods (im2col).
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from sorrel_recurrent_ppo.policy.cpu.matvec import matvec
from sorrel_recurrent_ppo.policy.encoders import PictureEncoder

__all__ = ["PictureFeatures", "is_supported"]


def is_supported(encoder: nn.Module) -> bool:
    """Return whether a module is a picture encoder whose weights numpy can use in place."""
    return type(encoder) is PictureEncoder and all(
        weight.is_contiguous() for weight in encoder.parameters()
    )


class PictureFeatures:
    """The encoder for one observation, on views of its weights.

    Args:
        encoder: An encoder that `is_supported`.
    """

    def __init__(self, encoder: PictureEncoder) -> None:
        _, height, width = encoder.picture
        self._picture, self._size = encoder.picture, encoder.picture_size
        self._convolutions = [
            _Convolution(layer, height, width) for layer in (encoder.conv1, encoder.conv2)
        ]
        self._weight, self._bias = _view(encoder.linear.weight), _view(encoder.linear.bias)
        self._matvec = matvec(self._weight)
        self._features = np.empty(encoder.output_size, np.float32)
        self._from_picture = self._features[: len(self._bias)]
        self._scalars = self._features[len(self._bias) :]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Return the features ``(output_size,)`` of an observation ``(D,)``, in a reused array."""
        x = inputs[: self._size].reshape(self._picture)
        for convolution in self._convolutions:
            x = convolution(x)
        features = self._from_picture
        self._matvec(self._weight, x.reshape(-1), out=features)
        np.add(features, self._bias, out=features)
        np.maximum(features, 0.0, out=features)
        self._scalars[:] = inputs[self._size :]
        return self._features


class _Convolution:
    """A 3x3 convolution with a border of zeros, followed by a ReLU."""

    def __init__(self, layer: nn.Conv2d, height: int, width: int) -> None:
        n_in, n_out = layer.in_channels, layer.out_channels
        self._weight = _view(layer.weight).reshape(n_out, n_in * 9)
        assert layer.bias is not None
        self._bias = _view(layer.bias)[:, None]
        bordered = np.zeros((n_in, height + 2, width + 2), np.float32)
        self._inner = bordered[:, 1:-1, 1:-1]
        windows = np.lib.stride_tricks.sliding_window_view(bordered, (3, 3), axis=(1, 2))
        self._windows = windows.transpose(0, 3, 4, 1, 2)  # (channels, 3, 3, height, width)
        self._neighbours = np.empty(self._windows.shape, np.float32)
        self._columns = self._neighbours.reshape(n_in * 9, height * width)
        self._output = np.empty((n_out, height * width), np.float32)
        self._picture = self._output.reshape(n_out, height, width)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Map ``(channels, height, width)`` to a reused array of the same height and width."""
        self._inner[...] = x
        np.copyto(self._neighbours, self._windows)
        np.dot(self._weight, self._columns, out=self._output)
        np.add(self._output, self._bias, out=self._output)
        np.maximum(self._output, 0.0, out=self._output)
        return self._picture


def _view(parameter: Tensor) -> np.ndarray:
    return parameter.detach().numpy()
