"""The linear layer: outputs and gradients against PyTorch's layer."""

import pytest
import torch

from sorrel_recurrent_ppo.models import RecurrentPPOLSTM
from sorrel_recurrent_ppo.policy.cpu.linear import Linear, _Linear
from support.random_tensors import random_leaves


@pytest.mark.parametrize("sizes", [(7, 5, 3), (1, 1, 1), (1, 4, 6), (300, 70, 40)])
def test_linear_matches_torch(sizes):
    rows, inputs, outputs = sizes
    x, weight, bias, weigh = random_leaves(
        (rows, inputs), (outputs, inputs), (outputs,), (rows, outputs)
    )
    ours, theirs = _Linear.apply(x, weight, bias), torch.nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    given = (x, weight, bias)
    one, other = (torch.autograd.grad((y * weigh).sum(), given) for y in (ours, theirs))
    for gradient, expected in zip(one, other, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)
        assert gradient.abs().sum() > 0


def test_linear_gradients_match_finite_differences():
    assert torch.autograd.gradcheck(
        _Linear.apply, random_leaves((4, 3), (2, 3), (2,), dtype=torch.float64)
    )


def test_linear_accepts_views():
    (matrix,) = random_leaves((6, 10))
    layer = Linear(3, 4)
    for view in (matrix[:, 2:5], matrix[::2, ::4], matrix.t()[:, :3], matrix[:1, :3].expand(5, 3)):
        expected = torch.nn.functional.linear(view, layer.weight, layer.bias)
        torch.testing.assert_close(layer(view), expected)


def test_linear_without_bias_has_a_weight_gradient():
    layer = Linear(3, 4, bias=False)
    x = torch.tensor([[1.0, 2.0, 3.0]])
    layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, x.expand(4, 3))


def test_backward_rejects_weight_changed_in_place():
    layer = Linear(3, 4)
    loss = layer(torch.ones(2, 3)).sum()
    with torch.no_grad():
        layer.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_linear_returns_non_finite_gradients_without_warnings():
    x, weight, bias = random_leaves((2, 3), (4, 3), (4,))
    (gradient,) = torch.autograd.grad((_Linear.apply(x * 1e38, weight * 1e38, bias)).sum(), weight)
    assert not gradient.isfinite().all()


@pytest.mark.parametrize("bias", [True, False])
def test_linear_uses_torch_where_onednn_is_unsupported(bias):
    layer = Linear(3, 4, bias=bias)
    half = Linear(3, 4, bias=bias, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.ones(2, 3)).dtype == torch.bfloat16
    assert half(torch.ones(2, 3, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert layer.to("meta")(torch.ones(2, 3, device="meta")).device.type == "meta"


@pytest.mark.parametrize("input_size", [(30,), (2, 5, 3)], ids=["flat", "picture"])
def test_encoders_use_linear(input_size):
    linear = RecurrentPPOLSTM(input_size, 4, hidden_size=8).policy.encoder.linear
    assert isinstance(linear, Linear)
    node = linear(torch.ones(2, linear.in_features)).grad_fn
    assert (type(node).__name__ == "_LinearBackward") == torch.backends.mkldnn.is_available()
