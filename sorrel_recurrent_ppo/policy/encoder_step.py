"""The encoder for a single observation, by numpy on views of its weights.

PyTorch's dispatch of small layers takes longer than their arithmetic. A convolution is here one
product of its weight with the matrix of all 3x3 neighbourhoods (im2col).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy
from sorrel_recurrent_ppo.policy.cpu.matvec import matvec
from sorrel_recurrent_ppo.policy.encoders import FlatEncoder, PictureEncoder
from sorrel_recurrent_ppo.support.torch_switches import without_autocast

__all__ = ["encoder_step", "weight_view"]


def encoder_step(policy: RecurrentPolicy) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from an observation ``(D,)`` to the input of the recurrent core.

    Its result is an array that the next call overwrites. Encoders followed by a normalisation, and
    those with weights that are not contiguous, are computed by PyTorch.
    """
    encoder = policy.encoder
    has_plain_weights = all(weight.is_contiguous() for weight in encoder.parameters())
    if isinstance(policy.norm, nn.Identity) and has_plain_weights:
        if type(encoder) is FlatEncoder:
            return _LinearRelu(encoder.linear, np.empty(encoder.output_size, np.float32))
        if type(encoder) is PictureEncoder:
            return _PictureStep(encoder)
    return _TorchStep(policy)


def weight_view(parameter: Tensor) -> np.ndarray:
    """Return a numpy view of a weight, which follows its changes in place."""
    return parameter.detach().numpy()


class _LinearRelu:
    """A linear layer and a ReLU, written into an array of the layer's width."""

    def __init__(self, layer: nn.Linear, output: np.ndarray) -> None:
        self._weight, self._bias = weight_view(layer.weight), weight_view(layer.bias)
        self._matvec = matvec(self._weight)
        self._output, self._zeros = output, np.zeros_like(output)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        output = self._output
        self._matvec(self._weight, x, out=output)
        np.add(output, self._bias, out=output)
        np.maximum(output, self._zeros, out=output)
        return output


class _PictureStep:
    """The picture encoder."""

    def __init__(self, encoder: PictureEncoder) -> None:
        _, height, width = encoder.picture
        self._picture, self._size = encoder.picture, encoder.picture_size
        self._convolutions = [
            _ConvolutionRelu(layer, height, width) for layer in (encoder.conv1, encoder.conv2)
        ]
        n_from_picture = encoder.linear.out_features
        self._features = np.empty(encoder.output_size, np.float32)
        self._linear = _LinearRelu(encoder.linear, self._features[:n_from_picture])
        self._scalars = self._features[n_from_picture:]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        x = inputs[: self._size].reshape(self._picture)
        for convolution in self._convolutions:
            x = convolution(x)
        self._linear(x.reshape(-1))
        self._scalars[:] = inputs[self._size :]
        return self._features


class _ConvolutionRelu:
    """A 3x3 convolution with a border of zeros and a ReLU, of ``(channels, height, width)``."""

    def __init__(self, layer: nn.Conv2d, height: int, width: int) -> None:
        n_in, n_out = layer.in_channels, layer.out_channels
        self._weight = weight_view(layer.weight).reshape(n_out, n_in * 9)
        assert layer.bias is not None
        self._bias = weight_view(layer.bias)[:, None]
        bordered = np.zeros((n_in, height + 2, width + 2), np.float32)
        self._inner = bordered[:, 1:-1, 1:-1]
        windows = np.lib.stride_tricks.sliding_window_view(bordered, (3, 3), axis=(1, 2))
        self._windows = windows.transpose(0, 3, 4, 1, 2)  # (channels, 3, 3, height, width)
        self._neighbours = np.empty(self._windows.shape, np.float32)
        self._columns = self._neighbours.reshape(n_in * 9, height * width)
        self._output = np.empty((n_out, height * width), np.float32)
        self._picture = self._output.reshape(n_out, height, width)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self._inner[...] = x
        np.copyto(self._neighbours, self._windows)
        np.dot(self._weight, self._columns, out=self._output)
        np.add(self._output, self._bias, out=self._output)
        np.maximum(self._output, 0.0, out=self._output)
        return self._picture


class _TorchStep:
    """The policy's own encoder and normalisation."""

    def __init__(self, policy: RecurrentPolicy) -> None:
        self._policy = policy

    @torch.inference_mode()
    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        with without_autocast("cpu"):
            return self._policy.features(torch.from_numpy(inputs)[None])[0].numpy()
