import pytest
import torch

from sorrel_recurrent_ppo.policy.cpu import matmul
from sorrel_recurrent_ppo.policy.cpu.gru_sequence import gru_sequence
from sorrel_recurrent_ppo.policy.recurrent import _FEW_SEQUENCES, RecurrentCore


@pytest.fixture(autouse=True, params=[True, False], ids=["steps by numpy", "steps by torch"])
def library_of_the_steps(request, monkeypatch):
    monkeypatch.setattr(matmul, "numpy_has_wide_kernels", lambda: request.param)


def drawn(*shapes, dtype=torch.float64, seed=3):
    """Draw leaves of these shapes from one stream, so that no two are alike."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(*shape, dtype=dtype, generator=generator).requires_grad_() for shape in shapes
    ]


def arguments(n_steps, n_sequences, n_features, size, dtype=torch.float64):
    return drawn(
        (n_steps, n_sequences, n_features),
        (n_sequences, size),
        (3 * size, n_features),
        (3 * size, size),
        (3 * size,),
        (3 * size,),
        dtype=dtype,
    )


def torchs_own(x, h0, *weights):
    gru = torch.nn.GRU(x.shape[2], h0.shape[1], dtype=x.dtype)
    names = [name for name, _ in gru.named_parameters()]
    return torch.func.functional_call(
        gru, dict(zip(names, weights, strict=True)), (x, h0.unsqueeze(0))
    )[0]


@pytest.mark.parametrize("sizes", [(7, 3, 5, 11), (1, 1, 1, 1), (13, 1, 2, 3), (2, 5, 3, 7)])
def test_outputs_and_gradients_are_those_of_torchs_gru(sizes):
    given = arguments(*sizes)
    (weigh,) = drawn((*sizes[:2], sizes[3]), seed=4)
    weigh = weigh.detach()
    ours, theirs = gru_sequence(*given), torchs_own(*given)
    torch.testing.assert_close(ours, theirs)
    one, other = (torch.autograd.grad((y * weigh).sum(), given) for y in (ours, theirs))
    for gradient, expected in zip(one, other, strict=True):
        torch.testing.assert_close(gradient, expected)
        assert gradient.abs().sum() > 0


def test_gradients_are_those_of_finite_differences():
    assert torch.autograd.gradcheck(gru_sequence, arguments(4, 2, 3, 2))


def test_inputs_of_any_size_give_finite_outputs_and_gradients():
    x, *others = arguments(3, 2, 4, 5)
    huge = (x * 1e30).detach().requires_grad_()
    outputs = gru_sequence(huge, *others)
    assert outputs.isfinite().all()
    for gradient in torch.autograd.grad(outputs.sum(), [huge, *others[:2]]):
        assert gradient.isfinite().all()


def test_faults_of_numbers_come_out_as_numbers_and_not_as_warnings():
    x, h0, w_ih, w_hh, *biases = arguments(3, 2, 4, 5, torch.float32)
    outputs = gru_sequence(x, h0, w_ih, w_hh * 1e38, *biases)
    (gradient,) = torch.autograd.grad((outputs * torch.inf).sum(), x)
    assert not gradient.isfinite().all()


def test_outputs_changed_in_place_are_refused_in_the_backward_pass():
    outputs = gru_sequence(*arguments(3, 2, 4, 5))
    outputs.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs.sum().backward()


@pytest.mark.parametrize("n_sequences", [_FEW_SEQUENCES, _FEW_SEQUENCES + 1])
def test_the_core_gives_the_same_with_few_sequences_and_many(n_sequences):
    core = RecurrentCore("gru", 3, 5)
    x, rows = drawn((4, n_sequences, 3), (n_sequences, 5), dtype=torch.float32)
    expected = torchs_own(x, rows, *core.weights())
    outputs = core(x, core.state_from_flat(rows))
    assert ("GRUSequence" in outputs.grad_fn.name()) == (n_sequences <= _FEW_SEQUENCES)
    torch.testing.assert_close(outputs, expected)


def test_in_lower_precision_the_core_leaves_it_to_torch():
    core = RecurrentCore("gru", 3, 5)
    x, rows = drawn((4, 2, 3), (2, 5), dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert core(x, core.state_from_flat(rows)).isfinite().all()
    halved = core.to(torch.bfloat16)
    outputs = halved(x.bfloat16(), halved.state_from_flat(rows.bfloat16()))
    assert outputs.dtype == torch.bfloat16
