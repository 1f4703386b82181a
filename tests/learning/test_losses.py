"""The clipped policy loss and the value loss, with their gradients, against hand calculations."""

import pytest
import torch

from sorrel_recurrent_ppo.learning.losses import clipped_policy_loss, value_loss


def test_clipped_policy_loss_clips_gains_on_both_sides():
    ratio = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.1], requires_grad=True)
    advantage = torch.tensor([2.0, -2.0, 2.0, -2.0, 2.0])
    # min(3, 2.4) = 2.4;  min(-3, -2.4) = -3;  min(1, 1.6) = 1;  min(-1, -1.6) = -1.6;  2.2
    loss = clipped_policy_loss(ratio, advantage, 0.2)
    assert loss.item() == pytest.approx(-(2.4 - 3.0 + 1.0 - 1.6 + 2.2) / 5)
    loss.backward()
    assert ratio.grad is not None
    # -advantage / 5 where the unclipped ratio is the minimum, 0 where the clipped one is.
    assert ratio.grad.tolist() == pytest.approx([0.0, 0.4, -0.4, 0.0, -0.4])


def test_value_loss_is_half_the_mean_squared_error():
    loss = value_loss(torch.tensor([3.0, 3.0]), torch.zeros(2), torch.tensor([4.0, 0.0]), None)
    assert loss.item() == pytest.approx(0.5 * (1.0 + 9.0) / 2)


def test_value_loss_with_clipping_uses_the_larger_error():
    values = torch.tensor([3.0, 3.0, -1.0], requires_grad=True)
    returns = torch.tensor([4.0, 0.0, -2.0])
    # Old value 1, clipped to a distance of 0.5: 1.5, 1.5, 0.5.
    # max(1, 2.5^2) = 6.25;  max(9, 1.5^2) = 9;  max(1, 2.5^2) = 6.25
    loss = value_loss(values, torch.ones(3), returns, 0.5)
    assert loss.item() == pytest.approx(0.5 * (6.25 + 9.0 + 6.25) / 3)
    loss.backward()
    assert values.grad is not None
    assert values.grad.tolist() == pytest.approx([0.0, 3.0 / 3, 0.0])


def test_value_loss_with_clipping_ignores_small_changes():
    values, returns = torch.tensor([1.3, 0.8]), torch.tensor([2.0, 2.0])
    clipped = value_loss(values, torch.ones(2), returns, 0.5)
    assert clipped.item() == pytest.approx(value_loss(values, torch.ones(2), returns, None).item())
