"""Grouping of runs, and refusal of runs that are not comparable."""

import pytest

from sorrel_recurrent_ppo.errors import ConfigError
from support.saved_run_files import compare_below, write_run


def labels(comparison):
    return [group.label for group in comparison.groups]


def test_group_runs_sorts_numbers_by_value(tmp_path):
    for height in (9, 11, 100):
        for seed in range(2):
            write_run(
                tmp_path / f"{height} {seed}",
                [1.0, 2.0],
                seed=seed,
                config={"world.height": height},
            )
    assert labels(compare_below(tmp_path, by="world.height")) == ["9", "11", "100"]
    with pytest.raises(ConfigError, match=r"'wrold.height'\. Did you mean 'world.height'"):
        compare_below(tmp_path, by="wrold.height")


def test_group_runs_by_several_keys_forms_their_combinations(tmp_path):
    for model in ("gru_ppo", "lstm_ppo"):
        for size in (16, 32):
            config = {f"model.{model}.hidden_size": size}
            write_run(tmp_path / f"{model} {size}", [1.0], model=model, config=config)
    keys = "model,model.gru_ppo.hidden_size,model.lstm_ppo.hidden_size"
    assert labels(compare_below(tmp_path, by=keys)) == [
        "gru_ppo, 16, (not set)",
        "gru_ppo, 32, (not set)",
        "lstm_ppo, (not set), 16",
        "lstm_ppo, (not set), 32",
    ]


def test_differing_environments_are_refused_with_key_values_and_runs(tmp_path):
    write_run(tmp_path / "a", [1.0], model="gru_ppo")
    write_run(tmp_path / "b", [1.0], model="iqn", config={"world.height": 11})
    with pytest.raises(ConfigError) as refused:
        compare_below(tmp_path)
    message = str(refused.value)
    assert f"world.height is 9 in {tmp_path / 'a'} and 11 in {tmp_path / 'b'}" in message
    assert "force=true" in message
    notes = compare_below(tmp_path, force=True).notes
    assert "world.height" in notes[0]


def test_differing_environment_keys_under_model_are_refused(tmp_path):
    write_run(tmp_path / "a", [1.0], model="gru_ppo")
    write_run(tmp_path / "b", [1.0], model="iqn", config={"model.vision": 3})
    with pytest.raises(ConfigError, match=r"model\.vision is 2 in .* and 3 in"):
        compare_below(tmp_path)


def test_differing_settings_of_one_model_are_refused(tmp_path):
    write_run(tmp_path / "a", [1.0], seed=0, config={"model.lstm_ppo": {"hidden_size": 16}})
    write_run(tmp_path / "b", [1.0], seed=1, config={"model.lstm_ppo": {"hidden_size": 32}})
    with pytest.raises(ConfigError, match=r"model\.lstm_ppo\.hidden_size is 16"):
        compare_below(tmp_path)
    assert len(compare_below(tmp_path, by="model,model.lstm_ppo.hidden_size").groups) == 2


def test_differing_models_are_refused_unless_grouped_by_model(tmp_path):
    write_run(tmp_path / "a", [1.0], model="gru_ppo")
    write_run(tmp_path / "b", [1.0], model="iqn", config={"world.height": 11})
    with pytest.raises(ConfigError, match=r"model\.type is gru_ppo in .* and iqn in"):
        compare_below(tmp_path, by="world.height")


def test_a_repeated_seed_is_refused(tmp_path):
    write_run(tmp_path / "a", [1.0], seed=4)
    write_run(tmp_path / "b", [1.0], seed=4)
    with pytest.raises(ConfigError, match=r"seed 4 of lstm_ppo is in .*a and in .*b"):
        compare_below(tmp_path)


def test_keys_outside_the_environment_may_differ(tmp_path):
    write_run(tmp_path / "a", [1.0], seed=0, config={"experiment.record_period": 50})
    files = write_run(tmp_path / "b", [1.0], seed=1, config={"experiment.epochs": 7})
    files.config.write_text("threads: 2\nlog_turns: true\n" + files.config.read_text())
    assert compare_below(tmp_path).groups[0].n_seeds == 2
