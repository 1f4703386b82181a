"""The policy: sequences against single steps, gradients, inputs and initial weights."""

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.learning.sequences import cut_sequences, pad_sequences
from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy
from sorrel_recurrent_ppo.policy.observations import ObservationLayout

DIMS = (3, 2, 5)
H = 5
LAYOUTS = {
    "flat": ObservationLayout(13),
    "picture": ObservationLayout(2 * 3 * 5, (2, 3, 5)),
    "picture and scalars": ObservationLayout(2 * 3 * 5 + 3, (2, 3, 5)),
}
# 13 steps: the rollout begins within an episode, others start at 2, 9 and 10.
EPISODE_STARTS = np.isin(np.arange(13), [2, 9, 10])

cells = pytest.mark.parametrize("cell", ["gru", "lstm"])
layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())


def make_policy(cell, layout, *, layer_norm=False):
    with torch.random.fork_rng():
        torch.manual_seed(7)
        policy = RecurrentPolicy(
            layout,
            cell,
            DIMS,
            layer_size=41,
            hidden_size=H,
            layer_norm=layer_norm,
            max_time_constant=200,
        )
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        return policy, torch.randn(len(EPISODE_STARTS), layout.size)


def run_steps(policy, obs, first_flat_state):
    """Run the rollout by single steps with resets.

    Returns:
        The logits, the values, and the flat states before the steps.
    """
    logits, values, flat_states = [], [], []
    flat_state = first_flat_state
    for t in range(len(obs)):
        if EPISODE_STARTS[t]:
            flat_state = torch.zeros_like(first_flat_state)
        flat_states.append(flat_state)
        distribution, value, state = policy.step(
            obs[t : t + 1], policy.core.state_from_flat(flat_state)
        )
        flat_state = policy.core.flatten_state(state)
        logits.append(distribution.logits)
        values.append(value)
    return torch.cat(logits), torch.cat(values), torch.cat(flat_states)


def evaluate(policy, obs, flat_states, sequence_length):
    """Evaluate the rollout as sequences from stored flat states, in one padded grid."""
    starts, lengths = cut_sequences(EPISODE_STARTS, sequence_length)
    order = np.arange(len(starts))[::-1]  # the order is arbitrary
    grid = pad_sequences(starts[order], lengths[order])
    distribution, values = policy.evaluate_sequences(
        obs[grid.steps],
        policy.core.state_from_flat(flat_states[starts[order]]),
        torch.as_tensor(grid.positions),
        grid.n_steps,
    )
    back = np.argsort(grid.steps)
    return distribution.logits[back], values[back]


def first_flat_state(policy):
    return torch.linspace(-1, 1, policy.core.state_size).unsqueeze(0)


@cells
@layouts
@pytest.mark.parametrize("sequence_length", [1, 2, 3, 100])
def test_sequences_from_stored_states_match_single_steps(cell, layout, sequence_length):
    policy, obs = make_policy(cell, layout)
    logits, values, flat_states = run_steps(policy, obs, first_flat_state(policy))
    evaluated_logits, evaluated_values = evaluate(policy, obs, flat_states, sequence_length)
    torch.testing.assert_close(evaluated_logits, logits)
    torch.testing.assert_close(evaluated_values, values)


@cells
@pytest.mark.parametrize("layer_norm", [False, True])
def test_complete_episodes_have_the_gradients_of_single_steps(cell, layer_norm):
    policy, obs = make_policy(cell, LAYOUTS["picture and scalars"], layer_norm=layer_norm)
    weigh_logits, weigh_values = torch.randn(len(obs), sum(DIMS)), torch.randn(len(obs))

    def gradients(logits, values):
        loss = (logits * weigh_logits).sum() + (values * weigh_values).sum()
        return torch.autograd.grad(loss, tuple(policy.parameters()))

    logits, values, flat_states = run_steps(policy, obs, first_flat_state(policy))
    by_steps = gradients(logits, values)
    by_sequences = gradients(*evaluate(policy, obs, flat_states.detach(), 100))
    for one, other in zip(by_sequences, by_steps, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
        assert one.abs().sum() > 0


@cells
def test_gradient_reaches_exactly_to_the_start_of_the_episode(cell):
    policy, obs = make_policy(cell, LAYOUTS["flat"])
    _, _, flat_states = run_steps(policy, obs, first_flat_state(policy))
    obs.requires_grad_()
    _, values = evaluate(policy, obs, flat_states.detach(), 100)
    (reached,) = torch.autograd.grad(values[8], obs)  # the last step of the episode from 2 to 8
    assert [bool(gradient.any()) for gradient in reached] == [2 <= t <= 8 for t in range(len(obs))]


@cells
def test_gradient_stops_at_the_start_of_the_sequence(cell):
    policy, obs = make_policy(cell, LAYOUTS["flat"])
    _, _, flat_states = run_steps(policy, obs, first_flat_state(policy))
    obs.requires_grad_()
    _, values = evaluate(policy, obs, flat_states.detach(), 4)  # 2..8 is cut into 2..5 and 6..8
    (reached,) = torch.autograd.grad(values[8], obs)
    assert [bool(gradient.any()) for gradient in reached] == [6 <= t <= 8 for t in range(len(obs))]


@cells
def test_heads_receive_h_only(cell):
    policy, obs = make_policy(cell, LAYOUTS["flat"])
    assert policy.heads.actor.in_features == policy.heads.critic.in_features == H
    distribution, value, state = policy.step(
        obs[:1], policy.core.state_from_flat(first_flat_state(policy))
    )
    h = (state[0] if isinstance(state, tuple) else state)[0]
    expected, expected_value = policy.heads(h)
    assert torch.equal(distribution.logits, expected.logits)
    assert torch.equal(value, expected_value)


@layouts
def test_logits_depend_on_every_value_of_the_observation(layout):
    policy, obs = make_policy("lstm", layout)
    state = policy.core.zero_state(1, "cpu")
    before = policy.step(obs[:1], state)[0].logits
    for position in range(layout.size):
        changed = obs[:1].clone()
        changed[0, position] += 1.0
        assert (policy.step(changed, state)[0].logits != before).any(), position


@cells
def test_initial_policy_is_nearly_uniform(cell):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        policy = RecurrentPolicy(
            LAYOUTS["flat"],
            cell,
            DIMS,
            layer_size=53,
            hidden_size=53,
            layer_norm=False,
            max_time_constant=200,
        )
        obs = torch.randn(17, 13)
    distribution, _, _ = policy.step(obs, policy.core.zero_state(17, "cpu"))
    for part in distribution.logits.split(DIMS, dim=1):
        assert part.softmax(dim=1).sub(1 / part.shape[1]).abs().max() < 0.03


@cells
@pytest.mark.parametrize("seed", range(3))
def test_gradients_reach_back_fifty_steps_at_the_start(cell, seed):
    def attenuation(max_time_constant):
        """Return the gradient of the last value by the first observation, per that by the last."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            policy = RecurrentPolicy(
                LAYOUTS["flat"],
                *(cell, DIMS),
                layer_size=128,
                hidden_size=128,
                layer_norm=False,
                max_time_constant=max_time_constant,
            )
            obs = torch.randn(51, 13, requires_grad=True)
        output = policy.core(policy.features(obs).unsqueeze(1), policy.core.zero_state(1, "cpu"))
        _, value = policy.heads(output[-1])
        (gradient,) = torch.autograd.grad(value.sum(), obs)
        return float(gradient[0].norm() / gradient[-1].norm())

    assert attenuation(200) > 0.003
    assert attenuation(2) < 1e-5  # gates that are half open


@cells
def test_units_forget_over_the_stated_times(cell):
    policy, _ = make_policy(cell, LAYOUTS["flat"])
    core = policy.core
    for parameter in core.parameters():
        torch.nn.init.zeros_(parameter)
    core.set_time_constants(32)
    state = core.state_from_flat(torch.ones(1, core.state_size))
    _, after = core.step(torch.zeros(1, 41), state)
    kept = (
        after[1] if isinstance(after, tuple) else after
    )  # the candidate is zero: nothing is added
    constants = np.array([2, 2, 2, 8, 32])
    np.testing.assert_allclose(kept.detach().numpy().ravel(), 1 - 1 / constants, rtol=1e-6)
    if cell == "lstm":
        _, _, bias, _ = core.weights()
        taken = torch.sigmoid(bias[:H]).detach().numpy()
        # The variance of the content under independent inputs is that of a unit of two steps.
        variance = taken**2 / (1 - (1 - 1 / constants) ** 2)
        np.testing.assert_allclose(variance, 1 / 3, rtol=1e-5)
