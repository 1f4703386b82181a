"""The policy's heads: a joint categorical distribution over action branches, and the value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["ActorCriticHeads", "BranchedCategorical"]


@dataclass(frozen=True)
class BranchedCategorical:
    """Categorical distributions of branches that are independent given the state.

    Attributes:
        logits: Concatenated unnormalised log-probabilities of all branches, ``(N, sum(dims))``.
        dims: Number of choices of each branch.
    """

    logits: Tensor
    dims: tuple[int, ...]

    def _log_probs(self) -> list[Tensor]:
        parts = cast("tuple[Tensor, ...]", self.logits.split(self.dims, dim=-1))
        return [part.log_softmax(dim=-1) for part in parts]

    def log_prob_and_entropy(self, branches: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-probabilities of joint actions and the entropies of the distributions.

        Both are sums over the independent branches: ``log p(a) = sum_k log p(a_k)``,
        ``H = sum_k H_k``.

        Args:
            branches: One choice per branch, ``(N, len(dims))``.

        Returns:
            Log-probabilities and entropies in nats, each ``(N,)``.
        """
        log_prob: list[Tensor] = []
        entropy: list[Tensor] = []
        for k, log_p in enumerate(self._log_probs()):
            log_prob.append(log_p.gather(1, branches[:, k : k + 1]).squeeze(1))
            entropy.append(-(log_p.exp() * log_p).sum(dim=-1))
        return reduce(torch.add, log_prob), reduce(torch.add, entropy)

    def kl_from_uniform(self) -> Tensor:
        """Return the KL divergences of these distributions from uniform ones, ``KL(uniform || p)``.

        The sum over the branches of ``-log n_k - sum_a log p(a) / n_k``, in nats, ``(N,)``.
        """
        return reduce(
            torch.add,
            (
                -math.log(size) - log_p.mean(dim=-1)
                for size, log_p in zip(self.dims, self._log_probs(), strict=True)
            ),
        )


class ActorCriticHeads(nn.Module):
    """Linear maps from the recurrent output to the logits of all branches and to the value."""

    def __init__(self, input_size: int, dims: tuple[int, ...]):
        super().__init__()
        self.dims = dims
        self.actor = nn.Linear(input_size, sum(dims))
        self.critic = nn.Linear(input_size, 1)

    def forward(self, features: Tensor) -> tuple[BranchedCategorical, Tensor]:
        """Map ``(N, H)`` to the action distribution and the values ``(N,)``."""
        distribution = BranchedCategorical(self.actor(features), self.dims)
        return distribution, self.critic(features).squeeze(-1)
