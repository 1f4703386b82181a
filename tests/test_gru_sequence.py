import pytest
import torch

from sorrel_recurrent_ppo.gru_sequence import gru_sequence
from sorrel_recurrent_ppo.recurrent import _FEW_SEQUENCES, RecurrentCore


def drawn(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=dtype, generator=generator).requires_grad_()


def arguments(n_steps, n_sequences, n_features, size):
    weights = [drawn(3 * size, n_features), drawn(3 * size, size)]
    biases = [drawn(3 * size), drawn(3 * size)]
    return drawn(n_steps, n_sequences, n_features), drawn(n_sequences, size), *weights, *biases


def torchs_own(x, h0, *weights):
    gru = torch.nn.GRU(x.shape[2], h0.shape[1], dtype=x.dtype)
    names = [name for name, _ in gru.named_parameters()]
    return torch.func.functional_call(
        gru, dict(zip(names, weights, strict=True)), (x, h0.unsqueeze(0))
    )[0]


@pytest.mark.parametrize("sizes", [(7, 3, 5, 11), (1, 1, 1, 1), (13, 1, 2, 3), (2, 5, 3, 7)])
def test_outputs_and_gradients_are_those_of_torchs_gru(sizes):
    given = arguments(*sizes)
    weigh = drawn(*sizes[:2], sizes[3]).detach()
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


@pytest.mark.parametrize("n_sequences", [_FEW_SEQUENCES, _FEW_SEQUENCES + 1])
def test_the_core_gives_the_same_with_few_sequences_and_many(n_sequences):
    core = RecurrentCore("gru", 3, 5)
    x = drawn(4, n_sequences, 3, dtype=torch.float32)
    rows = drawn(n_sequences, 5, dtype=torch.float32)
    expected = torchs_own(x, rows, *core.weights())
    outputs = core(x, core.state_from_rows(rows))
    assert ("GRUSequence" in outputs.grad_fn.name()) == (n_sequences <= _FEW_SEQUENCES)
    torch.testing.assert_close(outputs, expected)
