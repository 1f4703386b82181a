"""The recurrent core: sequences against single steps, padding, and flat states."""

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
    flat_states = torch.randn(B, core.state_size, generator=generator)
    return core, x, flat_states


def step_loop(core, x, flat_states):
    """Return each sequence's outputs and final flat state, computed by single steps."""
    outputs, finals = [], []
    for b, length in enumerate(LENGTHS.tolist()):
        state = core.state_from_flat(flat_states[b : b + 1])
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
def test_forward_matches_single_steps(cell):
    core, x, flat_states = make_core(cell)
    expected, _ = step_loop(core, x, flat_states)
    torch.testing.assert_close(real_steps(core(x, core.state_from_flat(flat_states))), expected)


@cells
def test_forward_has_the_gradients_of_single_steps(cell):
    core, x, flat_states = make_core(cell)
    x.requires_grad_()
    flat_states.requires_grad_()
    weigh = torch.randn(int(LENGTHS.sum()), H, generator=torch.Generator().manual_seed(2))
    inputs = (x, flat_states, *core.parameters())
    loop = gradients((step_loop(core, x, flat_states)[0] * weigh).sum(), *inputs)
    batched = gradients(
        (real_steps(core(x, core.state_from_flat(flat_states))) * weigh).sum(), *inputs
    )
    for one, other in zip(batched, loop, strict=True):
        torch.testing.assert_close(one, other)
        assert one.abs().sum() > 0


@cells
def test_padding_values_do_not_affect_real_steps(cell):
    core, x, flat_states = make_core(cell)
    garbage = x.clone()
    for b, length in enumerate(LENGTHS.tolist()):
        garbage[length:, b] = 1e30
    state = core.state_from_flat(flat_states)
    assert torch.equal(real_steps(core(garbage, state)), real_steps(core(x, state)))
    one = core.flatten_state(core.state_after(garbage, state, LENGTHS))
    assert torch.equal(one, core.flatten_state(core.state_after(x, state, LENGTHS)))


@cells
def test_state_after_matches_the_last_step_of_each_sequence(cell):
    core, x, flat_states = make_core(cell)
    _, expected = step_loop(core, x, flat_states)
    state = core.state_after(x, core.state_from_flat(flat_states), LENGTHS)
    torch.testing.assert_close(core.flatten_state(state), expected)


@cells
def test_flat_states_round_trip(cell):
    core, _, flat_states = make_core(cell)
    state = core.state_from_flat(flat_states)
    assert torch.equal(core.flatten_state(state), flat_states)
    parts = state if isinstance(state, tuple) else (state,)
    assert [tuple(part.shape) for part in parts] == [(1, B, H)] * (2 if cell == "lstm" else 1)
    assert torch.equal(parts[0][0], flat_states[:, :H])


@cells
def test_zero_state_is_zero(cell):
    core, _, _ = make_core(cell)
    flat_states = core.flatten_state(core.zero_state(B, "cpu"))
    assert torch.equal(flat_states, torch.zeros(B, core.state_size))


@cells
def test_step_returns_h_as_output(cell):
    core, x, flat_states = make_core(cell)
    output, state = core.step(x[0], core.state_from_flat(flat_states))
    h = state[0] if isinstance(state, tuple) else state
    assert torch.equal(output, h[0])


def test_step_depends_on_the_cell_state():
    core, x, flat_states = make_core("lstm")
    changed = flat_states.clone()
    changed[:, H:] += 1.0
    before, _ = core.step(x[0], core.state_from_flat(flat_states))
    after, _ = core.step(x[0], core.state_from_flat(changed))
    assert (before != after).all()


@cells
def test_weights_are_the_torch_layers_in_its_order(cell):
    core, _, _ = make_core(cell)
    layer = core.rnn
    expected = (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0)
    assert all(one is other for one, other in zip(core.weights(), expected, strict=True))
