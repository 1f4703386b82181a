"""Acting: one step of the policy without a graph, as cheap as the device allows.

On a CPU the small matrix-vector products of one step take less time than PyTorch's dispatch of
them, so they are done by numpy on views of the policy's own weights. On other devices, and for
what numpy has no fast way (convolutions, normalisation), PyTorch's modules do it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sorrel_recurrent_ppo.encoders import FlatEncoder
from sorrel_recurrent_ppo.policy import RecurrentPolicy

__all__ = ["PolicyStep", "sample_branches"]

type StepResult = tuple[np.ndarray, float, np.ndarray]


class PolicyStep:
    """One step of a policy for one agent, arrays in and arrays out.

    Attributes:
        policy: The policy whose current weights are used at every call.
    """

    def __init__(self, policy: RecurrentPolicy) -> None:
        self.policy = policy
        self._views: _NumpyWeights | None = None

    def __call__(self, inputs: np.ndarray, state_row: np.ndarray) -> StepResult:
        """Advance by one step.

        Args:
            inputs: Inputs of the network, ``(D,)`` float32.
            state_row: Row of the recurrent state before the step, ``(S,)`` float32.

        Returns:
            The logits of all branches ``(sum(dims),)``, the value, and the state's row after the
            step ``(S,)``.
        """
        weight = self.policy.heads.critic.weight
        if weight.device.type != "cpu" or weight.dtype != torch.float32:
            return self._torch_step(inputs, state_row)
        if self._views is None or not self._views.current():
            self._views = _NumpyWeights(self.policy)
        views = self._views
        if views.encoder is not None:
            features = np.dot(views.encoder[0], inputs)
            features += views.encoder[1]
            np.maximum(features, 0.0, out=features)
        else:
            features = self._torch_features(inputs)
        return views.step(features, state_row)

    @torch.inference_mode()
    def _torch_features(self, inputs: np.ndarray) -> np.ndarray:
        return self.policy.features(torch.from_numpy(inputs).unsqueeze(0)).squeeze(0).numpy()

    @torch.inference_mode()
    def _torch_step(self, inputs: np.ndarray, state_row: np.ndarray) -> StepResult:
        """Make one step by the policy's own modules: one transfer there, one back."""
        core, weight = self.policy.core, self.policy.heads.critic.weight
        both = torch.from_numpy(np.concatenate((inputs, state_row))).to(weight)[None]
        obs, row = both[:, : len(inputs)], both[:, len(inputs) :]
        distribution, value, state = self.policy.step(obs, core.state_from_rows(row))
        parts = (distribution.logits, value[:, None], core.rows_from_state(state))
        result = torch.cat(parts, dim=1)[0].float().cpu().numpy()
        n = distribution.logits.shape[1]
        return result[:n], float(result[n]), result[n + 1 :]

    def __getstate__(self) -> dict[str, Any]:
        # A copy has weights of its own, which views of these would not follow.
        return {"policy": self.policy, "_views": None}


class _NumpyWeights:
    """Views of a policy's weights, and the recurrent step and heads over them."""

    def __init__(self, policy: RecurrentPolicy) -> None:
        # Where the modules keep their weights: a weight can also be replaced by another object.
        self._places = [(m._parameters, name) for m in policy.modules() for name in m._parameters]
        self._addresses = self._current_addresses()
        self.cell = policy.core.cell
        plain = isinstance(policy.encoder, FlatEncoder) and isinstance(policy.norm, nn.Identity)
        self.encoder = _linear(policy.encoder.linear) if plain else None
        self.w_ih, self.w_hh, self.b_ih, self.b_hh = map(_view, policy.core.weights())
        size = policy.core.hidden_size
        self.slope = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), size)
        self.offset = np.repeat(np.array([0.5, 0.5, 0.0, 0.5], np.float32), size)
        self.actor, self.critic = _linear(policy.heads.actor), _linear(policy.heads.critic)

    def current(self) -> bool:
        """Whether the weights still lie where they were: moving or replacing them puts an end."""
        return self._addresses == self._current_addresses()

    def _current_addresses(self) -> list[int]:
        return [place[name].data_ptr() for place, name in self._places]  # type: ignore[union-attr]

    def step(self, features: np.ndarray, state_row: np.ndarray) -> StepResult:
        row = (self._lstm if self.cell == "lstm" else self._gru)(features, state_row)
        output = row[: self.w_hh.shape[1]]
        logits = np.dot(self.actor[0], output)
        logits += self.actor[1]
        value = float(np.dot(self.critic[0][0], output)) + float(self.critic[1][0])
        return logits, value, row

    def _lstm(self, x: np.ndarray, row: np.ndarray) -> np.ndarray:
        """``c' = f c + i g`` and ``h' = o tanh(c')``, with PyTorch's order of gates i, f, g, o."""
        size = self.w_hh.shape[1]
        gates = np.dot(self.w_ih, x)
        gates += np.dot(self.w_hh, row[:size])
        gates += self.b_ih
        gates += self.b_hh
        # One tanh for all gates, since sigmoid(x) = tanh(x / 2) / 2 + 1 / 2.
        gates *= self.slope
        np.tanh(gates, out=gates)
        gates *= self.slope
        gates += self.offset
        new_row = np.empty_like(row)
        h, c = new_row[:size], new_row[size:]
        np.multiply(gates[size : 2 * size], row[size:], out=c)
        c += gates[:size] * gates[2 * size : 3 * size]
        np.tanh(c, out=h)
        h *= gates[3 * size :]
        return new_row

    def _gru(self, x: np.ndarray, row: np.ndarray) -> np.ndarray:
        """``h' = n + z (h - n)`` with ``n = tanh(W x + r (U h))``; order of gates r, z, n."""
        size = self.w_hh.shape[1]
        from_input = np.dot(self.w_ih, x)
        from_input += self.b_ih
        from_state = np.dot(self.w_hh, row)
        from_state += self.b_hh
        reset_update = _sigmoid(from_input[: 2 * size] + from_state[: 2 * size])
        new = reset_update[:size] * from_state[2 * size :]
        new += from_input[2 * size :]
        np.tanh(new, out=new)
        return new + reset_update[size:] * (row - new)


def _view(parameter: Tensor) -> np.ndarray:
    return parameter.detach().numpy()


def _linear(layer: nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    return _view(layer.weight), _view(layer.bias)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the logistic function by tanh, which cannot overflow. Overwrites ``x``."""
    x *= 0.5
    np.tanh(x, out=x)
    x += 1.0
    x *= 0.5
    return x


def sample_branches(
    logits: np.ndarray, dims: tuple[int, ...], rng: np.random.Generator, *, deterministic: bool
) -> tuple[list[int], np.ndarray]:
    """Choose one action per branch.

    Args:
        logits: Of all branches side by side, ``(sum(dims),)``.
        dims: Choices of each branch.
        rng: Where the samples draw from; not used for the mode.
        deterministic: Take each branch's most probable choice.

    Returns:
        The choices, and their log-probabilities ``(len(dims),)``.
    """
    choices: list[int] = []
    log_probs: list[float] = []
    values = logits.tolist()  # for the few choices there are, Python's floats are the fastest
    first = 0
    for size in dims:
        branch = values[first : first + size]
        highest = max(branch)
        cumulated = list(accumulate(math.exp(value - highest) for value in branch))
        if deterministic:
            choice = branch.index(highest)
        else:
            choice = min(bisect_right(cumulated, rng.random() * cumulated[-1]), size - 1)
        choices.append(choice)
        log_probs.append(branch[choice] - highest - math.log(cumulated[-1]))
        first += size
    return choices, np.array(log_probs, np.float32)
