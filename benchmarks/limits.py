"""An upper bound of the rate: the time of a model's matrix products alone.

A *product* is ``(rows, inner, columns)``: ``x (rows, inner)`` times a weight ``(inner, columns)``.
Every weight matrix of a policy is one product per agent step, with ``rows = 1`` for a layer and the
number of positions for a convolution (computed as a product over its patches).

With ``t(p)`` the measured time of a product ``p``, ``N`` steps of a rollout, minibatches of ``m``
steps, and ``E`` passes over the rollout::

    acting per step    A = t(products in sequence, rows as above)
    forward per step   F = t(rows * m) / m, for each weight
    through time       R = (t(forward) + t(backward)) / s, of the recurrent weight, with rows = s
    training per step  T = E (3 F of all layers + R + F of the recurrent weight)
    limit              1 / (A + T)     agent steps per second

because the backward pass computes two products for each product of the forward pass. Through time
only the ``s = m / L`` sequences of length ``L`` can share a product with the recurrent weight; its
own gradient is one product over all steps. The *ideal* limit gives every product ``m`` rows.
Everything else (non-linearities, optimizer, data handling, Python) counts as zero, so no program
with these libraries reaches the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from sorrel_recurrent_ppo.policy.cpu import matmul
from timing import stopwatch

__all__ = ["Limit", "Product", "count_products", "measure_limit", "seconds_of"]

_SECONDS_PER_MEASUREMENT = 0.01
_REPEATS = 5


class Product(NamedTuple):
    """A matrix product ``(rows, inner) x (inner, columns)``."""

    rows: int
    inner: int
    columns: int

    @property
    def operations(self) -> int:
        """Number of floating-point operations; multiplications and additions count as one each."""
        return 2 * self.rows * self.inner * self.columns

    def times(self, n: int) -> Product:
        """Return the product over ``n`` steps."""
        return self._replace(rows=self.rows * n)


@dataclass(frozen=True)
class PolicyProducts:
    """The products of one agent step.

    Attributes:
        layers: Products that can cover many steps at once.
        recurrent: The product with the recurrent weight, which depends on the previous step.
    """

    layers: tuple[Product, ...]
    recurrent: Product

    @property
    def operations(self) -> int:
        """Number of floating-point operations of one forward step."""
        return sum(p.operations for p in (*self.layers, self.recurrent))


@dataclass(frozen=True)
class Limit:
    """The limit of a workload and its components; times in seconds per agent step."""

    operations: int
    acting: float
    training: float
    training_ideal: float

    @property
    def steps_per_second(self) -> float:
        """The limit of acting and training."""
        return 1.0 / (self.acting + self.training)

    @property
    def ideal_steps_per_second(self) -> float:
        """The ideal limit, in which the recurrent product also has the rows of a minibatch."""
        return 1.0 / (self.acting + self.training_ideal)

    def as_dict(self) -> dict[str, float]:
        """Return all values as plain numbers."""
        return asdict(self) | {
            "steps_per_second": self.steps_per_second,
            "ideal_steps_per_second": self.ideal_steps_per_second,
        }


def count_products(policy: nn.Module, area: int) -> PolicyProducts:
    """Return the products that a policy's weights require.

    Args:
        policy: A policy with one recurrent layer.
        area: Number of output positions of a convolution, equal to the picture's; 0 without one.
    """
    layers: list[Product] = []
    recurrent: list[Product] = []
    for name, weight in policy.named_parameters():
        if weight.ndim < 2:
            continue
        product = Product(area if weight.ndim == 4 else 1, weight[0].numel(), len(weight))
        (recurrent if "weight_hh" in name else layers).append(product)
    (recurrent_product,) = recurrent
    return PolicyProducts(tuple(layers), recurrent_product)


def seconds_of(products: Sequence[Product]) -> float:
    """Return the time of products in sequence, with the fastest of MKL, oneDNN and numpy's BLAS.

    All memory layouts are tried, because for few rows a library's choice of kernel depends on them.
    """
    return min(
        _best_seconds([make_call(*_operands(p)) for p in products])
        for make_call in (_torch_call, _torch_transposed_call, _onednn_call, *_NUMPY_CALLS)
    )


def measure_limit(
    products: PolicyProducts, *, batch_size: int, sequence_length: int, n_epochs: int
) -> Limit:
    """Measure the products and return a workload's limit.

    Args:
        products: The products of the model.
        batch_size: Number of steps of a minibatch, ``m``.
        sequence_length: Number of steps of a sequence, ``L``.
        n_epochs: Number of passes over a rollout, ``E``.
    """
    sequences = max(1, batch_size // sequence_length)
    shared = sum(seconds_of([p.times(batch_size)]) for p in products.layers) / batch_size
    forward = products.recurrent.times(sequences)
    backward = forward._replace(inner=forward.columns, columns=forward.inner)
    stepwise = (seconds_of([forward]) + seconds_of([backward])) / sequences
    ideal = seconds_of([products.recurrent.times(batch_size)]) / batch_size
    return Limit(
        operations=products.operations,
        acting=seconds_of([*products.layers, products.recurrent]),
        training=n_epochs * (3 * shared + stepwise + ideal),
        training_ideal=3 * n_epochs * (shared + ideal),
    )


def _operands(product: Product) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((product.rows, product.inner), np.float32)
    return x, rng.standard_normal((product.columns, product.inner), np.float32)


def _torch_call(x: np.ndarray, weight: np.ndarray) -> Callable[[], object]:
    inputs, matrix = torch.from_numpy(x), torch.from_numpy(weight)
    if len(x) == 1:
        vector, result = inputs[0], torch.empty(len(weight))
        return lambda: torch.mv(matrix, vector, out=result)
    transposed, results = matrix.t(), torch.empty(len(x), len(weight))
    return lambda: torch.mm(inputs, transposed, out=results)


def _torch_transposed_call(x: np.ndarray, weight: np.ndarray) -> Callable[[], object]:
    if len(x) == 1:
        return _torch_call(x, weight)
    inputs, matrix = torch.from_numpy(x), torch.from_numpy(weight).t().contiguous()
    results = torch.empty(len(x), len(weight))
    return lambda: torch.mm(inputs, matrix, out=results)


def _onednn_call(x: np.ndarray, weight: np.ndarray) -> Callable[[], object]:
    inputs, matrix = torch.from_numpy(x), torch.from_numpy(weight)
    return lambda: matmul.linear(inputs, matrix)


def _numpy_call(x: np.ndarray, weight: np.ndarray) -> Callable[[], object]:
    if len(x) == 1:
        vector, result = x[0], np.empty(len(weight), np.float32)
        return lambda: np.dot(weight, vector, out=result)
    results = np.empty((len(x), len(weight)), np.float32)
    return lambda: np.dot(x, weight.T, out=results)


def _numpy_transposed_call(x: np.ndarray, weight: np.ndarray) -> Callable[[], object]:
    transposed = np.ascontiguousarray(weight.T)
    results = np.empty((len(x), len(weight)), np.float32)
    return lambda: np.dot(x, transposed, out=results)


def _numpy_columns_call(x: np.ndarray, weight: np.ndarray) -> Callable[[], object]:
    columns = np.ascontiguousarray(x.T)
    results = np.empty((len(weight), len(x)), np.float32)
    return lambda: np.dot(weight, columns, out=results)


_NUMPY_CALLS = (_numpy_call, _numpy_transposed_call, _numpy_columns_call)


def _best_seconds(calls: Sequence[Callable[[], object]]) -> float:
    """Return the minimum of several measurements, which excludes interruptions."""

    def once() -> None:
        for call in calls:
            call()

    once()
    count = max(1, round(_SECONDS_PER_MEASUREMENT / max(stopwatch(once), 1e-7)))

    def many() -> None:
        for _ in range(count):
            once()

    return min(stopwatch(many) for _ in range(_REPEATS)) / count
