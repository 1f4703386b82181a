"""The GRU kernel: outputs and gradients against PyTorch's GRU."""

import pytest
import torch

from sorrel_recurrent_ppo.policy.cpu import matmul
from sorrel_recurrent_ppo.policy.cpu.gru_sequence import gru_sequence
from sorrel_recurrent_ppo.policy.recurrent import _FEW_SEQUENCES, RecurrentCore
from support.random_tensors import random_leaves


@pytest.fixture(autouse=True, params=[True, False], ids=["numpy", "torch"])
def step_library(request, monkeypatch):
    monkeypatch.setattr(matmul, "numpy_has_wide_kernels", lambda: request.param)


def arguments(n_steps, n_sequences, n_features, size, dtype=torch.float64):
    return random_leaves(
        (n_steps, n_sequences, n_features),
        (n_sequences, size),
        (3 * size, n_features),
        (3 * size, size),
        (3 * size,),
        (3 * size,),
        dtype=dtype,
    )


def torch_gru(x, h0, *weights):
    gru = torch.nn.GRU(x.shape[2], h0.shape[1], dtype=x.dtype)
    names = [name for name, _ in gru.named_parameters()]
    return torch.func.functional_call(
        gru, dict(zip(names, weights, strict=True)), (x, h0.unsqueeze(0))
    )[0]


@pytest.mark.parametrize("sizes", [(7, 3, 5, 11), (1, 1, 1, 1), (13, 1, 2, 3), (2, 5, 3, 7)])
def test_gru_sequence_matches_torch_gru(sizes):
    given = arguments(*sizes)
    (weigh,) = random_leaves((*sizes[:2], sizes[3]), dtype=torch.float64, seed=4)
    weigh = weigh.detach()
    ours, theirs = gru_sequence(*given), torch_gru(*given)
    torch.testing.assert_close(ours, theirs)
    one, other = (torch.autograd.grad((y * weigh).sum(), given) for y in (ours, theirs))
    for gradient, expected in zip(one, other, strict=True):
        torch.testing.assert_close(gradient, expected)
        assert gradient.abs().sum() > 0


def test_gru_sequence_gradients_match_finite_differences():
    assert torch.autograd.gradcheck(gru_sequence, arguments(4, 2, 3, 2))


def test_gru_sequence_is_finite_for_huge_inputs():
    x, *others = arguments(3, 2, 4, 5)
    huge = (x * 1e30).detach().requires_grad_()
    outputs = gru_sequence(huge, *others)
    assert outputs.isfinite().all()
    for gradient in torch.autograd.grad(outputs.sum(), [huge, *others[:2]]):
        assert gradient.isfinite().all()


def test_gru_sequence_returns_non_finite_gradients_without_warnings():
    x, h0, w_ih, w_hh, *biases = arguments(3, 2, 4, 5, torch.float32)
    outputs = gru_sequence(x, h0, w_ih, w_hh * 1e38, *biases)
    (gradient,) = torch.autograd.grad((outputs * torch.inf).sum(), x)
    assert not gradient.isfinite().all()


def test_backward_rejects_outputs_changed_in_place():
    outputs = gru_sequence(*arguments(3, 2, 4, 5))
    outputs.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs.sum().backward()


@pytest.mark.parametrize("n_sequences", [_FEW_SEQUENCES, _FEW_SEQUENCES + 1])
def test_core_uses_the_kernel_for_few_sequences_only(n_sequences):
    core = RecurrentCore("gru", 3, 5)
    x, flat_states = random_leaves((4, n_sequences, 3), (n_sequences, 5))
    expected = torch_gru(x, flat_states, *core.weights())
    outputs = core(x, core.state_from_flat(flat_states))
    assert ("GRUSequence" in outputs.grad_fn.name()) == (n_sequences <= _FEW_SEQUENCES)
    torch.testing.assert_close(outputs, expected)


def test_core_uses_torch_in_lower_precision():
    core = RecurrentCore("gru", 3, 5)
    x, flat_states = random_leaves((4, 2, 3), (2, 5))
    with torch.autocast("cpu", torch.bfloat16):
        assert core(x, core.state_from_flat(flat_states)).isfinite().all()
    halved = core.to(torch.bfloat16)
    outputs = halved(x.bfloat16(), halved.state_from_flat(flat_states.bfloat16()))
    assert outputs.dtype == torch.bfloat16
