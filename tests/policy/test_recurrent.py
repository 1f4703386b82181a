from typing import get_args

import pytest
import torch

from sorrel_recurrent_ppo.policy.recurrent import CellType, RecurrentCore

F, H = 3, 5
LENGTHS = torch.tensor([7, 2, 5])
T, B = 7, 3

cells = pytest.mark.parametrize("cell", get_args(CellType.__value__))


def make_core(cell):
    generator = torch.Generator().manual_seed(11)
    core = RecurrentCore(cell, F, H)
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.normal_(generator=generator)
    x = torch.randn(T, B, F, generator=generator)
    rows = torch.randn(B, core.state_size, generator=generator)
    return core, x, rows


def step_loop(core, x, rows):
    """Run each sequence on its own, step by step; return outputs and final rows."""
    outputs, finals = [], []
    for b, length in enumerate(LENGTHS.tolist()):
        state = core.state_from_flat(rows[b : b + 1])
        for t in range(length):
            output, state = core.step(x[t, b : b + 1], state)
            outputs.append(output)
        finals.append(core.flatten_state(state))
    return torch.cat(outputs), torch.cat(finals)


def real_steps(padded):
    return torch.cat([padded[:length, b] for b, length in enumerate(LENGTHS.tolist())])


def gradients(loss, *tensors):
    return torch.autograd.grad(loss, tensors, allow_unused=True)


@cells
def test_a_sequence_pass_is_the_step_loop(cell):
    core, x, rows = make_core(cell)
    expected, _ = step_loop(core, x, rows)
    torch.testing.assert_close(real_steps(core(x, core.state_from_flat(rows))), expected)


@cells
def test_a_sequence_pass_has_the_gradients_of_the_step_loop(cell):
    core, x, rows = make_core(cell)
    x.requires_grad_()
    rows.requires_grad_()
    weigh = torch.randn(int(LENGTHS.sum()), H, generator=torch.Generator().manual_seed(2))
    inputs = (x, rows, *core.parameters())
    loop = gradients((step_loop(core, x, rows)[0] * weigh).sum(), *inputs)
    batched = gradients((real_steps(core(x, core.state_from_flat(rows))) * weigh).sum(), *inputs)
    for one, other in zip(batched, loop, strict=True):
        torch.testing.assert_close(one, other)
        assert one.abs().sum() > 0


@cells
def test_garbage_in_the_padding_changes_nothing(cell):
    core, x, rows = make_core(cell)
    garbage = x.clone()
    for b, length in enumerate(LENGTHS.tolist()):
        garbage[length:, b] = 1e30
    state = core.state_from_flat(rows)
    assert torch.equal(real_steps(core(garbage, state)), real_steps(core(x, state)))
    one = core.flatten_state(core.state_after(garbage, state, LENGTHS))
    assert torch.equal(one, core.flatten_state(core.state_after(x, state, LENGTHS)))


@cells
def test_the_state_after_ragged_sequences_is_that_of_their_own_last_steps(cell):
    core, x, rows = make_core(cell)
    _, expected = step_loop(core, x, rows)
    state = core.state_after(x, core.state_from_flat(rows), LENGTHS)
    torch.testing.assert_close(core.flatten_state(state), expected)


@cells
def test_rows_and_states_turn_into_each_other(cell):
    core, _, rows = make_core(cell)
    state = core.state_from_flat(rows)
    assert torch.equal(core.flatten_state(state), rows)
    parts = state if isinstance(state, tuple) else (state,)
    assert [tuple(part.shape) for part in parts] == [(1, B, H)] * (2 if cell == "lstm" else 1)
    assert torch.equal(parts[0][0], rows[:, :H])


@cells
def test_the_zero_state_is_zero(cell):
    core, _, _ = make_core(cell)
    rows = core.flatten_state(core.zero_state(B, "cpu"))
    assert torch.equal(rows, torch.zeros(B, core.state_size))


@cells
def test_the_output_is_h_alone(cell):
    core, x, rows = make_core(cell)
    output, state = core.step(x[0], core.state_from_flat(rows))
    h = state[0] if isinstance(state, tuple) else state
    assert torch.equal(output, h[0])


def test_the_cell_state_shows_in_the_next_step():
    core, x, rows = make_core("lstm")
    changed = rows.clone()
    changed[:, H:] += 1.0
    before, _ = core.step(x[0], core.state_from_flat(rows))
    after, _ = core.step(x[0], core.state_from_flat(changed))
    assert (before != after).all()


@cells
def test_the_weights_are_those_of_the_torch_layer_in_its_order(cell):
    core, _, _ = make_core(cell)
    layer = core.rnn
    expected = (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0)
    assert all(one is other for one, other in zip(core.weights(), expected, strict=True))
