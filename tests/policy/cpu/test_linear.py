import pytest
import torch

from sorrel_recurrent_ppo.models import RecurrentPPOLSTM
from sorrel_recurrent_ppo.policy.cpu.linear import Linear, _Linear


def drawn(*shapes, dtype=torch.float32, seed=5):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(*shape, dtype=dtype, generator=generator).requires_grad_() for shape in shapes
    ]


@pytest.mark.parametrize("sizes", [(7, 5, 3), (1, 1, 1), (1, 4, 6), (300, 70, 40)])
def test_outputs_and_gradients_are_those_of_torchs_layer(sizes):
    rows, inputs, outputs = sizes
    x, weight, bias, weigh = drawn((rows, inputs), (outputs, inputs), (outputs,), (rows, outputs))
    ours, theirs = _Linear.apply(x, weight, bias), torch.nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    given = (x, weight, bias)
    one, other = (torch.autograd.grad((y * weigh).sum(), given) for y in (ours, theirs))
    for gradient, expected in zip(one, other, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)
        assert gradient.abs().sum() > 0


def test_gradients_are_those_of_finite_differences():
    assert torch.autograd.gradcheck(_Linear.apply, drawn((4, 3), (2, 3), (2,), dtype=torch.float64))


def test_inputs_that_are_views_are_read_as_they_are():
    (whole,) = drawn((6, 10))
    layer = Linear(3, 4)
    for view in (whole[:, 2:5], whole[::2, ::4], whole.t()[:, :3], whole[:1, :3].expand(5, 3)):
        expected = torch.nn.functional.linear(view, layer.weight, layer.bias)
        torch.testing.assert_close(layer(view), expected)


def test_a_layer_without_bias_learns_its_weight():
    layer = Linear(3, 4, bias=False)
    x = torch.tensor([[1.0, 2.0, 3.0]])
    layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, x.expand(4, 3))


def test_a_weight_that_changes_before_the_backward_pass_is_refused():
    layer = Linear(3, 4)
    loss = layer(torch.ones(2, 3)).sum()
    with torch.no_grad():
        layer.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_faults_of_numbers_come_out_as_numbers_and_not_as_warnings():
    x, weight, bias = drawn((2, 3), (4, 3), (4,))
    (gradient,) = torch.autograd.grad((_Linear.apply(x * 1e38, weight * 1e38, bias)).sum(), weight)
    assert not gradient.isfinite().all()


@pytest.mark.parametrize("bias", [True, False])
def test_what_onednn_does_not_do_is_done_by_torch(bias):
    layer = Linear(3, 4, bias=bias)
    half = Linear(3, 4, bias=bias, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.ones(2, 3)).dtype == torch.bfloat16
    assert half(torch.ones(2, 3, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert layer.to("meta")(torch.ones(2, 3, device="meta")).device.type == "meta"


@pytest.mark.parametrize("input_size", [(30,), (2, 5, 3)], ids=["flat", "picture"])
def test_the_models_encoders_take_it(input_size):
    linear = RecurrentPPOLSTM(input_size, 4, hidden_size=8).policy.encoder.linear
    assert isinstance(linear, Linear)
    node = linear(torch.ones(2, linear.in_features)).grad_fn
    assert (type(node).__name__ == "_LinearBackward") == torch.backends.mkldnn.is_available()
