import numpy as np
import pytest
import torch
from torch.distributions import Categorical

from sorrel_recurrent_ppo.learning.sequences import cut_sequences, pad_sequences
from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy
from sorrel_recurrent_ppo.policy.encoders import PictureEncoder
from sorrel_recurrent_ppo.policy.heads import BranchedCategorical
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
            layout, cell, DIMS, layer_size=41, hidden_size=H, layer_norm=layer_norm
        )
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        return policy, torch.randn(len(EPISODE_STARTS), layout.size)


def act_through(policy, obs, first_row):
    """Step through the rollout with resets; return logits, values and the rows before the steps."""
    logits, values, rows = [], [], []
    row = first_row
    for t in range(len(obs)):
        if EPISODE_STARTS[t]:
            row = torch.zeros_like(first_row)
        rows.append(row)
        distribution, value, state = policy.step(obs[t : t + 1], policy.core.state_from_flat(row))
        row = policy.core.flatten_state(state)
        logits.append(distribution.logits)
        values.append(value)
    return torch.cat(logits), torch.cat(values), torch.cat(rows)


def evaluate(policy, obs, rows, sequence_length):
    """Evaluate the same rollout as sequences from stored rows, all in one padded grid."""
    starts, lengths = cut_sequences(EPISODE_STARTS, sequence_length)
    order = np.arange(len(starts))[::-1]  # any order will do
    grid = pad_sequences(starts[order], lengths[order])
    distribution, values = policy.evaluate_sequences(
        obs[grid.steps],
        policy.core.state_from_flat(rows[starts[order]]),
        torch.as_tensor(grid.positions),
        grid.n_steps,
    )
    back = np.argsort(grid.steps)
    return distribution.logits[back], values[back]


def first_row(policy):
    return torch.linspace(-1, 1, policy.core.state_size).unsqueeze(0)


@cells
@layouts
@pytest.mark.parametrize("sequence_length", [1, 2, 3, 100])
def test_sequences_from_stored_states_are_the_step_loop(cell, layout, sequence_length):
    policy, obs = make_policy(cell, layout)
    logits, values, rows = act_through(policy, obs, first_row(policy))
    evaluated_logits, evaluated_values = evaluate(policy, obs, rows, sequence_length)
    torch.testing.assert_close(evaluated_logits, logits)
    torch.testing.assert_close(evaluated_values, values)


@cells
@pytest.mark.parametrize("layer_norm", [False, True])
def test_whole_episodes_have_the_gradients_of_the_step_loop(cell, layer_norm):
    policy, obs = make_policy(cell, LAYOUTS["picture and scalars"], layer_norm=layer_norm)
    weigh_logits, weigh_values = torch.randn(len(obs), sum(DIMS)), torch.randn(len(obs))

    def gradients(logits, values):
        loss = (logits * weigh_logits).sum() + (values * weigh_values).sum()
        return torch.autograd.grad(loss, tuple(policy.parameters()))

    logits, values, rows = act_through(policy, obs, first_row(policy))
    by_steps = gradients(logits, values)
    by_sequences = gradients(*evaluate(policy, obs, rows.detach(), 100))
    for one, other in zip(by_sequences, by_steps, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
        assert one.abs().sum() > 0


@cells
def test_the_gradient_reaches_back_to_the_start_of_the_episode_and_no_further(cell):
    policy, obs = make_policy(cell, LAYOUTS["flat"])
    _, _, rows = act_through(policy, obs, first_row(policy))
    obs.requires_grad_()
    _, values = evaluate(policy, obs, rows.detach(), 100)
    (reached,) = torch.autograd.grad(values[8], obs)  # the last step of the episode from 2 to 8
    assert [bool(row.any()) for row in reached] == [2 <= t <= 8 for t in range(len(obs))]


@cells
def test_the_gradient_stops_at_the_start_of_a_sequence(cell):
    policy, obs = make_policy(cell, LAYOUTS["flat"])
    _, _, rows = act_through(policy, obs, first_row(policy))
    obs.requires_grad_()
    _, values = evaluate(policy, obs, rows.detach(), 4)  # 2..8 is cut into 2..5 and 6..8
    (reached,) = torch.autograd.grad(values[8], obs)
    assert [bool(row.any()) for row in reached] == [6 <= t <= 8 for t in range(len(obs))]


@cells
def test_only_h_reaches_the_heads(cell):
    policy, obs = make_policy(cell, LAYOUTS["flat"])
    assert policy.heads.actor.in_features == policy.heads.critic.in_features == H
    distribution, value, state = policy.step(
        obs[:1], policy.core.state_from_flat(first_row(policy))
    )
    h = (state[0] if isinstance(state, tuple) else state)[0]
    expected, expected_value = policy.heads(h)
    assert torch.equal(distribution.logits, expected.logits)
    assert torch.equal(value, expected_value)


@layouts
def test_every_number_of_the_observation_is_seen(layout):
    policy, obs = make_policy("lstm", layout)
    state = policy.core.zero_state(1, "cpu")
    before = policy.step(obs[:1], state)[0].logits
    for position in range(layout.size):
        changed = obs[:1].clone()
        changed[0, position] += 1.0
        assert (policy.step(changed, state)[0].logits != before).any(), position


def test_a_picture_is_read_by_rows_of_its_channels():
    policy, obs = make_policy("gru", LAYOUTS["picture and scalars"])
    encoder = policy.encoder
    assert isinstance(encoder, PictureEncoder)
    picture = obs[:1, :30].reshape(1, 2, 3, 5)
    x = torch.relu(encoder.conv2(torch.relu(encoder.conv1(picture)))).reshape(1, -1)
    expected = torch.cat((torch.relu(encoder.linear(x)), obs[:1, 30:]), dim=1)
    torch.testing.assert_close(policy.features(obs[:1]), expected)
    assert (encoder.conv1.out_channels, encoder.conv2.out_channels) == (32, 64)
    assert encoder.conv1.kernel_size == encoder.conv2.kernel_size == (3, 3)


def test_log_probabilities_and_entropies_of_branches_add_up():
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


@cells
def test_the_first_policy_is_near_uniform_whatever_it_sees(cell):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        policy = RecurrentPolicy(
            LAYOUTS["flat"], cell, DIMS, layer_size=53, hidden_size=53, layer_norm=False
        )
        obs = torch.randn(17, 13)
    distribution, _, _ = policy.step(obs, policy.core.zero_state(17, "cpu"))
    for part in distribution.logits.split(DIMS, dim=1):
        assert part.softmax(dim=1).sub(1 / part.shape[1]).abs().max() < 0.03
