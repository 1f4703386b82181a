"""Acting: one step of the policy without a graph, as cheap as the device allows.

On a CPU the small matrix-vector products of one step take less time than PyTorch's dispatch of
them, so they are done by numpy on views of the policy's own weights. On other devices, and for
what numpy has no fast way (convolutions, normalisation), PyTorch's modules do it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy
from sorrel_recurrent_ppo.policy.cpu.switch import kernels_enabled
from sorrel_recurrent_ppo.policy.encoders import FlatEncoder

__all__ = ["PolicyStep", "sample_branches"]

# Bytes of a weight from which on it matters in which order it is read.
_LARGE = 500_000

type StepResult = tuple[np.ndarray, float, np.ndarray]


class PolicyStep:
    """One step of a policy for one agent, arrays in and arrays out.

    Attributes:
        policy: The policy whose current weights are used at every call.
    """

    def __init__(self, policy: RecurrentPolicy) -> None:
        self.policy = policy
        self._numpy_step: _NumpyStep | None = None

    def __call__(self, inputs: np.ndarray, flat_state: np.ndarray) -> StepResult:
        """Advance by one step.

        Args:
            inputs: Inputs of the network, ``(D,)`` float32.
            flat_state: Row of the recurrent state before the step, ``(S,)`` float32.

        Returns:
            The logits of all branches ``(sum(dims),)``, the value, and the state's row after the
            step ``(S,)``.
        """
        step = self._numpy_step
        if step is not None and step.current():
            return step(inputs, flat_state)
        weight = self.policy.heads.critic.weight
        on_cpu = weight.device.type == "cpu" and weight.dtype == torch.float32
        if not (on_cpu and kernels_enabled()):
            self._numpy_step = None
            return self._torch_step(inputs, flat_state)
        self._numpy_step = _NumpyStep(self.policy)
        return self._numpy_step(inputs, flat_state)

    @torch.inference_mode()
    def _torch_step(self, inputs: np.ndarray, flat_state: np.ndarray) -> StepResult:
        """Make one step by the policy's own modules: one transfer there, one back."""
        core, weight = self.policy.core, self.policy.heads.critic.weight
        both = torch.from_numpy(np.concatenate((inputs, flat_state))).to(weight)[None]
        obs, row = both[:, : len(inputs)], both[:, len(inputs) :]
        distribution, value, state = self.policy.step(obs, core.state_from_flat(row))
        parts = (distribution.logits, value[:, None], core.flatten_state(state))
        result = torch.cat(parts, dim=1)[0].float().cpu().numpy()
        n = distribution.logits.shape[1]
        return result[:n], float(result[n]), result[n + 1 :]

    def __getstate__(self) -> dict[str, Any]:
        # A copy has weights of its own, which views of these would not follow.
        return {"policy": self.policy, "_numpy_step": None}


class _NumpyStep:
    """The step over views of a policy's weights.

    What lies between the products is written into arrays that are kept: the products leave
    nothing of Python in the processor's caches, so every object touched after them costs.
    """

    def __init__(self, policy: RecurrentPolicy) -> None:
        # Where the modules keep their weights: one can be moved, or replaced by another object.
        self._places = [
            (module._parameters, name, weight, weight.data_ptr())
            for module in policy.modules()
            for name, weight in module._parameters.items()
            if weight is not None
        ]
        self._policy = policy
        self._flat = isinstance(policy.encoder, FlatEncoder) and isinstance(
            policy.norm, nn.Identity
        )
        if self._flat:
            self._encoder = _linear(policy.encoder.linear)
            self._encode = _product(self._encoder[0])
            width = policy.encoder.output_size
            self._features, self._zeros = np.empty(width, np.float32), np.zeros(width, np.float32)
        cell = _LSTMStep if policy.core.cell == "lstm" else _GRUStep
        self._cell = cell(*map(_view, policy.core.weights()))
        self._size = policy.core.hidden_size
        self._actor, self._critic = _linear(policy.heads.actor), _linear(policy.heads.critic)

    def current(self) -> bool:
        """Whether the weights are still those objects and still lie where they were."""
        for place, name, weight, address in self._places:
            if place[name] is not weight or weight.data_ptr() != address:
                return False
        return True

    def __call__(self, inputs: np.ndarray, flat_state: np.ndarray) -> StepResult:
        if self._flat:
            weight, bias = self._encoder
            features = self._features
            self._encode(weight, inputs, out=features)
            np.add(features, bias, out=features)
            np.maximum(features, self._zeros, out=features)
        else:
            features = self._torch_features(inputs)
        row = self._cell(features, flat_state)
        output = row[: self._size]
        weight, bias = self._actor
        logits = np.dot(weight, output)
        logits += bias
        weight, bias = self._critic
        value = np.dot(weight, output)
        value += bias
        return logits, value.item(), row

    @torch.inference_mode()
    def _torch_features(self, inputs: np.ndarray) -> np.ndarray:
        return self._policy.features(torch.from_numpy(inputs).unsqueeze(0)).squeeze(0).numpy()


class _LSTMStep:
    """``c' = f c + i g`` and ``h' = o tanh(c')``, with PyTorch's order of gates i, f, g, o.

    One tanh does for all gates, since ``sigmoid(x) = tanh(x / 2) / 2 + 1 / 2``.
    """

    def __init__(self, w_ih: np.ndarray, w_hh: np.ndarray, b_ih: np.ndarray, b_hh: np.ndarray):
        self._w_ih, self._w_hh, self._b_ih, self._b_hh = w_ih, w_hh, b_ih, b_hh
        self._times_ih, self._times_hh = _product(w_ih), _product(w_hh)
        size = self._size = w_hh.shape[1]
        self._slope = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), size)
        self._offset = np.repeat(np.array([0.5, 0.5, 0.0, 0.5], np.float32), size)
        self._gates, self._from_state = np.empty((2, 4 * size), np.float32)
        self._quarters = self._gates.reshape(4, size)

    def __call__(self, x: np.ndarray, row: np.ndarray) -> np.ndarray:
        size, gates, from_state, slope = self._size, self._gates, self._from_state, self._slope
        self._times_ih(self._w_ih, x, out=gates)
        self._times_hh(self._w_hh, row[:size], out=from_state)
        np.add(gates, from_state, out=gates)
        np.add(gates, self._b_ih, out=gates)
        np.add(gates, self._b_hh, out=gates)
        np.multiply(gates, slope, out=gates)
        np.tanh(gates, out=gates)
        np.multiply(gates, slope, out=gates)
        np.add(gates, self._offset, out=gates)
        i, f, g, o = self._quarters
        new_row = np.empty(2 * size, np.float32)
        h, c = new_row[:size], new_row[size:]
        np.multiply(f, row[size:], out=c)
        np.multiply(i, g, out=i)
        np.add(c, i, out=c)
        np.tanh(c, out=h)
        np.multiply(h, o, out=h)
        return new_row


class _GRUStep:
    """``h' = n + z (h - n)`` with ``n = tanh(W x + r (U h))``; order of gates r, z, n."""

    def __init__(self, w_ih: np.ndarray, w_hh: np.ndarray, b_ih: np.ndarray, b_hh: np.ndarray):
        self._w_ih, self._w_hh, self._b_ih, self._b_hh = w_ih, w_hh, b_ih, b_hh
        self._times_ih, self._times_hh = _product(w_ih), _product(w_hh)
        size = w_hh.shape[1]
        self._from_input, self._from_state = np.empty((2, 3 * size), np.float32)
        self._half = np.full(2 * size, 0.5, np.float32)
        self._reset_update, self._new = self._from_input[: 2 * size], self._from_input[2 * size :]
        self._reset, self._update = self._reset_update.reshape(2, size)
        self._gates_from_state = self._from_state[: 2 * size]
        self._new_from_state = self._from_state[2 * size :]

    def __call__(self, x: np.ndarray, row: np.ndarray) -> np.ndarray:
        from_input, from_state, new = self._from_input, self._from_state, self._new
        self._times_ih(self._w_ih, x, out=from_input)
        np.add(from_input, self._b_ih, out=from_input)
        self._times_hh(self._w_hh, row, out=from_state)
        np.add(from_state, self._b_hh, out=from_state)
        gates, half = self._reset_update, self._half
        np.add(gates, self._gates_from_state, out=gates)
        np.multiply(gates, half, out=gates)  # the logistic function by tanh cannot overflow
        np.tanh(gates, out=gates)
        np.multiply(gates, half, out=gates)
        np.add(gates, half, out=gates)
        np.multiply(self._reset, self._new_from_state, out=self._reset)
        np.add(new, self._reset, out=new)
        np.tanh(new, out=new)
        new_row = row - new
        np.multiply(new_row, self._update, out=new_row)
        np.add(new_row, new, out=new_row)
        return new_row


def _product(weight: np.ndarray) -> Callable[..., Any]:
    """Return the faster function for ``weight @ vector``, with ``out=``.

    For small ones that is the matrix-vector product. Large ones have often fallen out of the caches
    when many models take turns; then it is the reading that takes the time, and row by row, in the
    order in which they lie in memory, it takes half as long.
    """
    return np.vecdot if weight.nbytes >= _LARGE else np.dot


def _view(parameter: Tensor) -> np.ndarray:
    return parameter.detach().numpy()


def _linear(layer: nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    return _view(layer.weight), _view(layer.bias)


def sample_branches(
    logits: np.ndarray, dims: tuple[int, ...], rng: np.random.Generator, *, deterministic: bool
) -> tuple[list[int], list[float]]:
    """Choose one action per branch.

    Args:
        logits: Of all branches side by side, ``(sum(dims),)``.
        dims: Choices of each branch.
        rng: Where the samples draw from; not used for the mode.
        deterministic: Take each branch's most probable choice.

    Returns:
        The choice of each branch, and its log-probability.
    """
    choices: list[int] = []
    log_probs: list[float] = []
    values = logits.tolist()  # for the few choices there are, Python's floats are the fastest
    first = 0
    for size in dims:
        branch = values[first : first + size]
        highest = max(branch)
        weights = [math.exp(value - highest) for value in branch]
        total = sum(weights)
        choice = 0
        if deterministic:
            choice = branch.index(highest)
        else:
            left = rng.random() * total
            for choice, weight in enumerate(weights):  # noqa: B007 - where it stops is the choice
                left -= weight
                if left < 0.0:
                    break
        choices.append(choice)
        log_probs.append(branch[choice] - highest - math.log(total))
        first += size
    return choices, log_probs
