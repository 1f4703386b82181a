"""The heads: log-probabilities and entropies of joint actions."""

import pytest
import torch
from torch.distributions import Categorical

from sorrel_recurrent_ppo.policy.heads import BranchedCategorical

DIMS = (3, 2, 5)


def test_log_prob_and_entropy_are_sums_over_branches():
    logits = torch.randn(17, sum(DIMS), generator=torch.Generator().manual_seed(1))
    branches = torch.stack([torch.arange(17) % size for size in DIMS], dim=1)
    log_prob, entropy = BranchedCategorical(logits, DIMS).log_prob_and_entropy(branches)
    parts = [Categorical(logits=part) for part in logits.split(DIMS, dim=1)]
    torch.testing.assert_close(
        log_prob, sum(p.log_prob(branches[:, k]) for k, p in enumerate(parts))
    )
    torch.testing.assert_close(entropy, sum(p.entropy() for p in parts))


def test_joint_probabilities_sum_to_one():
    logits = torch.randn(1, sum(DIMS), generator=torch.Generator().manual_seed(1))
    joint = torch.cartesian_prod(*(torch.arange(size) for size in DIMS))
    distribution = BranchedCategorical(logits.expand(len(joint), -1), DIMS)
    log_prob, entropy = distribution.log_prob_and_entropy(joint)
    assert log_prob.exp().sum().item() == pytest.approx(1.0)
    assert entropy[0].item() == pytest.approx(-(log_prob.exp() * log_prob).sum().item())
