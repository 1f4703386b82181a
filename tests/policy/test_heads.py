"""The heads: log-probabilities and entropies of joint actions."""

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

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


def test_kl_from_uniform_is_the_sum_over_branches():
    logits = torch.randn(17, sum(DIMS), generator=torch.Generator().manual_seed(1))
    expected = sum(
        kl_divergence(Categorical(logits=torch.zeros_like(part)), Categorical(logits=part))
        for part in logits.split(DIMS, dim=1)
    )
    torch.testing.assert_close(BranchedCategorical(logits, DIMS).kl_from_uniform(), expected)


def test_kl_from_uniform_returns_improbable_actions():
    logits = torch.tensor([[30.0, 0.0]], requires_grad=True)
    distribution = BranchedCategorical(logits, (2,))
    (by_entropy,) = torch.autograd.grad(
        -distribution.log_prob_and_entropy(torch.zeros(1, 1, dtype=torch.int64))[1].sum(), logits
    )
    (by_divergence,) = torch.autograd.grad(distribution.kl_from_uniform().sum(), logits)
    assert by_entropy.abs().max() < 1e-9
    # The gradient is the probability minus that of the uniform policy.
    assert by_divergence[0].tolist() == pytest.approx([1.0 - 0.5, 0.0 - 0.5])
