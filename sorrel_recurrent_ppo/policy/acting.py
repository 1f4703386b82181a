"""Acting: one step of the policy for one agent, without autograd.

On a CPU the small products of one step take less time than PyTorch's dispatch of them, so numpy
computes them on views of the policy's weights. On other devices, and for encoders with
normalisation, PyTorch's modules are used.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy
from sorrel_recurrent_ppo.policy.cpu.matvec import matvec
from sorrel_recurrent_ppo.policy.cpu.switch import kernels_enabled
from sorrel_recurrent_ppo.policy.encoder_step import encoder_step, weight_view
from sorrel_recurrent_ppo.support.torch_switches import without_autocast

__all__ = ["PolicyStep", "StepResult", "sample_branches"]

type StepResult = tuple[np.ndarray, float, np.ndarray]


class PolicyStep:
    """One step of a policy for one agent, from arrays to arrays.

    Attributes:
        policy: The policy; every call uses its current weights.
    """

    def __init__(self, policy: RecurrentPolicy) -> None:
        self.policy = policy
        self._numpy_step: _NumpyStep | None = None

    def __call__(self, inputs: np.ndarray, flat_state: np.ndarray) -> StepResult:
        """Advance by one step.

        Args:
            inputs: Inputs of the network, ``(D,)`` float32.
            flat_state: Flattened recurrent state before the step, ``(S,)`` float32.

        Returns:
            The logits of all branches ``(sum(dims),)``, the value, and the flattened recurrent
            state after the step ``(S,)``.
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
        """Advance by the policy's own modules, with one transfer to the device and one back."""
        core, weight = self.policy.core, self.policy.heads.critic.weight
        packed = torch.from_numpy(np.concatenate((inputs, flat_state))).to(weight)[None]
        obs, flat_states = packed[:, : len(inputs)], packed[:, len(inputs) :]
        with without_autocast(weight.device.type):
            distribution, value, state = self.policy.step(obs, core.state_from_flat(flat_states))
        parts = (distribution.logits, value[:, None], core.flatten_state(state))
        result = torch.cat(parts, dim=1)[0].float().cpu().numpy()
        n = distribution.logits.shape[1]
        return result[:n], float(result[n]), result[n + 1 :]

    def __getstate__(self) -> dict[str, Any]:
        # A copy has its own weights, which views of the original's weights would not follow.
        return {"policy": self.policy, "_numpy_step": None}


class _NumpyStep:
    """The step by numpy, on views of a policy's weights.

    Intermediate results are written into preallocated arrays: the products evict Python's objects
    from the processor's caches, so every object touched after them costs a cache miss.
    """

    def __init__(self, policy: RecurrentPolicy) -> None:
        # A weight can be moved in memory, or replaced by another object in its module.
        self._weights = [
            (parameters, name, weight, weight.data_ptr())
            for parameters in map(_parameters, policy.modules())
            for name, weight in parameters.items()
            if weight is not None
        ]
        self._features = encoder_step(policy)
        cell = _LSTMStep if policy.core.cell == "lstm" else _GRUStep
        self._cell = cell(*map(weight_view, policy.core.weights()))
        self._size = policy.core.hidden_size
        self._actor, self._critic = _linear(policy.heads.actor), _linear(policy.heads.critic)

    def current(self) -> bool:
        """Return whether the weights are still the same objects at the same addresses."""
        for parameters, name, weight, address in self._weights:
            if parameters[name] is not weight or weight.data_ptr() != address:
                return False
        return True

    def __call__(self, inputs: np.ndarray, flat_state: np.ndarray) -> StepResult:
        features = self._features(inputs)
        next_flat_state = self._cell(features, flat_state)
        output = next_flat_state[: self._size]
        weight, bias = self._actor
        logits = np.dot(weight, output)
        logits += bias
        weight, bias = self._critic
        value = np.dot(weight, output)
        value += bias
        return logits, value.item(), next_flat_state


class _LSTMStep:
    """``c' = f c + i g`` and ``h' = o tanh(c')``, with PyTorch's order of gates i, f, g, o.

    A single tanh computes all gates, since ``sigmoid(x) = tanh(x / 2) / 2 + 1 / 2``.
    """

    def __init__(self, w_ih: np.ndarray, w_hh: np.ndarray, b_ih: np.ndarray, b_hh: np.ndarray):
        self._w_ih, self._w_hh, self._b_ih, self._b_hh = w_ih, w_hh, b_ih, b_hh
        self._matvec_ih, self._matvec_hh = matvec(w_ih), matvec(w_hh)
        size = self._size = w_hh.shape[1]
        self._slope = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), size)
        self._offset = np.repeat(np.array([0.5, 0.5, 0.0, 0.5], np.float32), size)
        self._gates, self._from_state = np.empty((2, 4 * size), np.float32)
        self._quarters = self._gates.reshape(4, size)

    def __call__(self, x: np.ndarray, flat_state: np.ndarray) -> np.ndarray:
        size, gates, from_state, slope = self._size, self._gates, self._from_state, self._slope
        self._matvec_ih(self._w_ih, x, out=gates)
        self._matvec_hh(self._w_hh, flat_state[:size], out=from_state)
        np.add(gates, from_state, out=gates)
        np.add(gates, self._b_ih, out=gates)
        np.add(gates, self._b_hh, out=gates)
        np.multiply(gates, slope, out=gates)
        np.tanh(gates, out=gates)
        np.multiply(gates, slope, out=gates)
        np.add(gates, self._offset, out=gates)
        i, f, g, o = self._quarters
        next_flat_state = np.empty(2 * size, np.float32)
        h, c = next_flat_state[:size], next_flat_state[size:]
        np.multiply(f, flat_state[size:], out=c)
        np.multiply(i, g, out=i)
        np.add(c, i, out=c)
        np.tanh(c, out=h)
        np.multiply(h, o, out=h)
        return next_flat_state


class _GRUStep:
    """``h' = n + z (h - n)`` with ``n = tanh(W x + r (U h))``; order of gates r, z, n."""

    def __init__(self, w_ih: np.ndarray, w_hh: np.ndarray, b_ih: np.ndarray, b_hh: np.ndarray):
        self._w_ih, self._w_hh, self._b_ih, self._b_hh = w_ih, w_hh, b_ih, b_hh
        self._matvec_ih, self._matvec_hh = matvec(w_ih), matvec(w_hh)
        size = w_hh.shape[1]
        self._from_input, self._from_state = np.empty((2, 3 * size), np.float32)
        self._half = np.full(2 * size, 0.5, np.float32)
        self._reset_update, self._new = self._from_input[: 2 * size], self._from_input[2 * size :]
        self._reset, self._update = self._reset_update.reshape(2, size)
        self._gates_from_state = self._from_state[: 2 * size]
        self._new_from_state = self._from_state[2 * size :]

    def __call__(self, x: np.ndarray, flat_state: np.ndarray) -> np.ndarray:
        from_input, from_state, new = self._from_input, self._from_state, self._new
        self._matvec_ih(self._w_ih, x, out=from_input)
        np.add(from_input, self._b_ih, out=from_input)
        self._matvec_hh(self._w_hh, flat_state, out=from_state)
        np.add(from_state, self._b_hh, out=from_state)
        gates, half = self._reset_update, self._half
        np.add(gates, self._gates_from_state, out=gates)
        np.multiply(gates, half, out=gates)  # sigmoid by tanh cannot overflow
        np.tanh(gates, out=gates)
        np.multiply(gates, half, out=gates)
        np.add(gates, half, out=gates)
        np.multiply(self._reset, self._new_from_state, out=self._reset)
        np.add(new, self._reset, out=new)
        np.tanh(new, out=new)
        next_flat_state = flat_state - new
        np.multiply(next_flat_state, self._update, out=next_flat_state)
        np.add(next_flat_state, new, out=next_flat_state)
        return next_flat_state


def _parameters(module: nn.Module) -> dict[str, nn.Parameter | None]:
    """Return the mapping in which a module stores its own parameters."""
    return module._parameters  # pyright: ignore[reportPrivateUsage] - the public ways return copies


def _linear(layer: nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    return weight_view(layer.weight), weight_view(layer.bias)


def sample_branches(
    logits: np.ndarray, dims: tuple[int, ...], rng: np.random.Generator, *, deterministic: bool
) -> tuple[list[int], list[float]]:
    """Choose one action per branch.

    Args:
        logits: The concatenated logits of all branches, ``(sum(dims),)``.
        dims: Number of choices of each branch.
        rng: Generator of the samples; not used if ``deterministic``.
        deterministic: Take each branch's most probable choice instead of sampling.

    Returns:
        The choice of each branch, and its log-probability.
    """
    choices: list[int] = []
    log_probs: list[float] = []
    values = logits.tolist()  # Python floats are the fastest for few choices
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
            for choice, weight in enumerate(weights):  # noqa: B007 - used after the loop
                left -= weight
                if left < 0.0:
                    break
        choices.append(choice)
        log_probs.append(branch[choice] - highest - math.log(total))
        first += size
    return choices, log_probs
