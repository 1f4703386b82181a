"""The TensorBoard events of a run."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sorrel_recurrent_ppo.support.csv_table import as_numbers, read_columns
from support.small_runs import run

pytestmark = pytest.mark.usefixtures("own_process")


def test_tensorboard_holds_turns_only_with_log_turns(tmp_path):
    files, _ = run(tmp_path / "run", "treasurehunt", "lstm_ppo", "log_turns=true")
    events = EventAccumulator(str(files.tensorboard)).Reload()
    tags = events.Tags()["scalars"]
    assert {"score", "loss", "reward/0", "reward/1", "train/value_loss"} <= set(tags)
    scores = [event.value for event in events.Scalars("score")]
    assert scores == as_numbers(read_columns(files.metrics)["reward"]).tolist()
    assert len(events.Scalars("turn/reward_sum")) == 3 * 8
    quiet, _ = run(tmp_path / "quiet")
    tags = EventAccumulator(str(quiet.tensorboard)).Reload().Tags()["scalars"]
    assert not any(tag.startswith("turn/") for tag in tags)


def test_tensorboard_holds_every_metric_per_agent_and_as_mean(tmp_path):
    files, _ = run(tmp_path / "run", "cleanup", "gru_ppo")
    events = EventAccumulator(str(files.tensorboard)).Reload()
    of_an_update = [
        *("train/policy_gradient_loss", "train/value_loss", "train/entropy_loss"),
        *("train/approx_kl", "train/clip_fraction", "train/explained_variance"),
        *("train/grad_norm", "rollout/ep_rew_mean"),
    ]
    names = {"time/fps", *of_an_update, *(f"reward/{agent}" for agent in range(3))}
    names |= {f"agent_{agent}/{name}" for agent in range(3) for name in of_an_update}
    assert names <= set(events.Tags()["scalars"])
    for name in of_an_update:
        mean = [event.value for event in events.Scalars(name)]
        each = [[e.value for e in events.Scalars(f"agent_{i}/{name}")] for i in range(3)]
        np.testing.assert_allclose(mean, np.mean(each, axis=0), rtol=1e-4, atol=1e-7)
    assert [event.step for event in events.Scalars("time/fps")] == [0, 1, 2]
    agents = read_columns(files.agents)
    shown = [event.value for event in events.Scalars("agent_2/train/value_loss")]
    written = as_numbers(agents["train/value_loss"][agents["agent"] == "2"])
    np.testing.assert_allclose(shown, written[np.isfinite(written)], rtol=1e-6)
