"""Reading from a config which model each agent gets."""

from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.config_files import model_defaults
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.population.model_choice import (
    AgentFacts,
    assign_models,
    check_lists,
    model_section,
    read_requests,
)

AVAILABLE = ("dqn", "gru_ppo", "iqn", "lstm_ppo")


def agents(*class_names, own="iqn"):
    return [AgentFacts(name, name, own) for name in class_names]


def choose(config: Any, facts):
    """Return ``(name, built?)`` per agent, or ``None`` where nothing speaks of it."""
    config = OmegaConf.create(config)
    assert isinstance(config, DictConfig)
    requests = read_requests(config, AVAILABLE)
    check_lists(config, requests, facts, complete=True)
    choices = assign_models(config, requests, facts)
    return [choice and (choice.name, choice.build) for choice in choices]


TWO = agents("Forager", "Forager")


class TestSpellings:
    @pytest.mark.parametrize(
        "config",
        [
            {"model": "lstm_ppo"},
            {"model": {"type": "lstm_ppo"}},
            {"model": {"model_type": "lstm_ppo"}},
            {"agent": {"forager": {"model": "lstm_ppo"}}},
            {"agent": {"agent": {"model": "lstm_ppo"}}},
            {"agent": {"whatever": {"model": "lstm_ppo"}, "num_agents": 2}},
        ],
    )
    def test_one_name_is_for_all(self, config):
        assert choose(config, TWO) == [("lstm_ppo", True)] * 2

    @pytest.mark.parametrize(
        "config",
        [
            {"model": ["gru_ppo", "iqn"]},
            {"model": {"type": ["gru_ppo", "iqn"]}},
            {"model": {"model_type": ["gru_ppo", "iqn"]}},
            {"agent": {"agent": {"model": ["gru_ppo", "iqn"]}}},
        ],
    )
    def test_a_list_has_one_name_per_agent_and_builds_all(self, config):
        assert choose(config, TWO) == [("gru_ppo", True), ("iqn", True)]

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"model": None},
            {"model": {"type": None, "layers": 3}},
            {"model": {"type": {"name": "lstm_ppo"}}},
            {"model": {"iqn": {"type": "iRainbowModel", "parameters": {}}}},
            {"model": {"type": 3}},
            {"model": []},
            {"agent": ["lstm_ppo"]},
            {"agent": {"model_path": "lstm_ppo", "forager": {"obs": 2}}},
        ],
    )
    def test_other_values_request_nothing(self, config):
        assert choose(config, TWO) == [None, None]


class TestUnknownNames:
    @pytest.mark.parametrize(
        ("config", "key"),
        [
            ({"model": "lstm_pp"}, "model"),
            ({"model": "resnet"}, "model"),
            ({"model": {"type": "LSTM-PPO"}}, "model.type"),
            ({"model": {"model_type": "lstm_ppp"}}, "model.model_type"),
            ({"agent": {"a": {"model": "lstmppo"}}}, "agent.a.model"),
            ({"model": {"type": ["lstm_ppo", "resnet"]}}, "model.type"),
        ],
    )
    def test_a_typo_is_an_error_naming_the_key_and_what_exists(self, config, key):
        with pytest.raises(ConfigError) as caught:
            choose(config, TWO)
        assert str(caught.value).startswith(f"{key}: there is no model named")
        assert "Valid: dqn, gru_ppo, iqn, lstm_ppo" in str(caught.value)

    def test_the_nearest_is_suggested(self):
        with pytest.raises(ConfigError, match="Did you mean 'gru_ppo'"):
            choose({"model": {"type": "gru_pop"}}, TWO)

    @pytest.mark.parametrize(
        "config",
        [
            {"model": {"type": "iRainbowModel"}},
            {"model": {"type": "transformer"}},
            {"model": {"model_type": ["resnet", "vit"]}},
            {"agent": {"forager": {"model": "ppo"}}},
        ],
    )
    def test_unrelated_names_are_ignored_and_logged(self, config, caplog):
        assert choose(config, TWO) == [None, None]
        assert "is not in the registry, so the key gives no agent a model" in caplog.text

    @pytest.mark.parametrize(("name", "meant"), [("gru", "gru_ppo"), ("LSTM", "lstm_ppo")])
    def test_the_first_part_of_a_name_is_a_mistake(self, name, meant):
        with pytest.raises(ConfigError, match=f"there is no model named '{name}'.*{meant}"):
            choose({"agent": {"forager": {"model": name}}}, TWO)


class TestTheEnvironmentsOwn:
    @pytest.mark.parametrize(
        "config",
        [
            {"agent": {"agent": {"model": "iqn"}}, "model": {"iqn": {"parameters": {}}}},
            {"model": {"type": "iqn"}},
            {"model": {"model_type": "iqn", "layer_size": 3}},
        ],
    )
    def test_it_is_kept_where_the_config_names_it_anyway(self, config):
        assert choose(config, TWO) == [("iqn", False)] * 2

    @pytest.mark.parametrize(
        "config",
        [{"model": "iqn"}, {"model": {"type": "iqn", "iqn": {}}}, {"model": ["iqn", "iqn"]}],
    )
    def test_it_is_built_where_the_config_asks_for_it(self, config):
        assert choose(config, TWO) == [("iqn", True)] * 2

    def test_another_model_of_the_registry_is_built(self):
        assert choose({"agent": {"agent": {"model": "dqn"}}}, TWO) == [("dqn", True)] * 2

    @pytest.mark.parametrize("key", ["type", "model_type"])
    def test_it_yields_to_what_model_says(self, key):
        config = {"agent": {"agent": {"model": "iqn"}}, "model": {key: "gru_ppo"}}
        assert choose(config, TWO) == [("gru_ppo", True)] * 2

    def test_it_yields_to_what_the_kind_says(self):
        config = {"model": {"type": "iqn"}, "agent": {"agent": {"model": "gru_ppo"}}}
        assert choose(config, TWO) == [("gru_ppo", True)] * 2

    def test_two_contradicting_names_are_an_error_naming_both_keys(self):
        config = {"model": {"type": "gru_ppo", "model_type": "lstm_ppo"}}
        with pytest.raises(ConfigError, match=r"model\.type=gru_ppo and model\.model_type=lstm"):
            choose(config, TWO)

    def test_a_kind_takes_precedence_over_all(self):
        config = {"agent": {"agent": {"model": "lstm_ppo"}}, "model": {"type": "gru_ppo"}}
        assert choose(config, TWO) == [("lstm_ppo", True)] * 2

    def test_a_kind_that_keeps_its_own_model_takes_precedence_unless_it_is_everyone(self):
        mixed = [AgentFacts("Forager", "Forager", "iqn"), AgentFacts("Police", "Police", "iqn")]
        config = {"agent": {"police": {"model": "iqn"}}, "model": {"type": "gru_ppo"}}
        assert choose(config, mixed) == [("gru_ppo", True), ("iqn", False)]
        assert choose(config, mixed[1:]) == [("gru_ppo", True)]

    def test_the_same_name_twice_is_none(self):
        config = {"agent": {"agent": {"model": "gru_ppo"}}, "model": {"type": "gru_ppo"}}
        assert choose(config, TWO) == [("gru_ppo", True)] * 2


class TestLists:
    @pytest.mark.parametrize("names", [["gru_ppo"], ["gru_ppo", "iqn", "dqn"]])
    def test_a_wrong_length_names_the_key_and_both_numbers(self, names):
        with pytest.raises(ConfigError, match=rf"^model\.type lists {len(names)} .* agents is 2"):
            choose({"model": {"type": names}}, TWO)

    def test_a_wrong_length_of_a_kind_names_the_kind(self):
        config = {"agent": {"a": {"num": 1, "model": ["iqn", "dqn"]}, "b": {"num": 1}}}
        with pytest.raises(ConfigError, match=r"a\.model lists 2 .* of kind 'a' is 1"):
            choose(config, TWO)


class TestKinds:
    mixed = agents("HunterAgent", "Forager", "HunterAgent", "Forager")

    def test_kinds_are_found_by_the_names_of_classes(self):
        config = {"agent": {"forager": {"model": "gru_ppo"}, "Hunter": {"model": "lstm_ppo"}}}
        names = ["lstm_ppo", "gru_ppo", "lstm_ppo", "gru_ppo"]
        assert [name for name, _ in choose(config, self.mixed)] == names  # pyright: ignore

    def test_agents_of_other_kinds_keep_theirs(self):
        config = {"agent": {"hunter": {"model": "gru_ppo"}, "forager": {"speed": 2}}}
        chosen = choose(config, self.mixed)
        assert chosen == [("gru_ppo", True), None, ("gru_ppo", True), None]

    def test_a_list_of_a_kind_is_for_its_agents_in_order(self):
        config = {"agent": {"hunter": {"model": ["gru_ppo", "dqn"]}}}
        chosen = choose(config, self.mixed)
        assert chosen == [("gru_ppo", True), None, ("dqn", True), None]

    def test_other_names_go_by_order_and_num(self):
        config = {
            "agent": {"first": {"num": 1}, "second": {"num": 3, "model": ["dqn", "iqn", "dqn"]}}
        }
        names = [choice and choice[0] for choice in choose(config, self.mixed)]
        assert names == [None, "dqn", "iqn", "dqn"]

    @pytest.mark.parametrize(
        "kinds",
        [
            {"a": {"model": "gru_ppo"}, "b": {"model": "lstm_ppo"}},
            {"a": {"model": "gru_ppo", "num": 1}, "b": {"model": "lstm_ppo", "num": 2}},
            {"hunter": {"model": "gru_ppo"}, "b": {"model": "lstm_ppo"}},
        ],
    )
    def test_undecidable_kinds_are_an_error(self, kinds):
        with pytest.raises(ConfigError, match=r"cannot tell .*HunterAgent, Forager.* of kind"):
            choose({"agent": kinds}, self.mixed)

    def test_a_misspelt_kind_is_answered_with_the_nearest_class(self):
        with pytest.raises(ConfigError, match="Did you mean 'hunter'"):
            choose({"agent": {"huntre": {"model": "iqn"}, "forager": {}}}, self.mixed)

    def test_a_misspelt_kind_beside_the_right_one_is_the_one_named(self):
        kinds = {"hunter": {"model": "iqn"}, "hunters": {"model": "dqn"}}
        with pytest.raises(ConfigError, match=r"of kind 'hunters'\. Did you mean 'hunter'"):
            choose({"agent": kinds}, self.mixed)


class TestParameters:
    def section(self, model):
        return model_section(OmegaConf.create({"model": model}), "lstm_ppo")

    @pytest.mark.parametrize("model", ["lstm_ppo", None, {}, {"lstm_ppo": None}])
    def test_section_may_be_missing(self, model):
        assert self.section(model) == {}

    def test_they_stand_in_the_section_or_its_parameters(self):
        assert self.section({"lstm_ppo": {"gamma": 0.5}}) == {"gamma": 0.5}
        assert self.section({"lstm_ppo": {"parameters": {"gamma": 0.5}}}) == {"gamma": 0.5}

    def test_the_section_of_a_class_name_is_not_a_parameter(self):
        assert self.section({"lstm_ppo": {"type": "Whatever", "gamma": 0.5}}) == {"gamma": 0.5}

    def test_parameters_take_precedence_over_defaults_and_yield_to_changes(self):
        default = model_defaults("lstm_ppo")["n_epochs"]
        merged = {"n_epochs": default, "gamma": 0.9, "parameters": {"n_epochs": 77, "gamma": 0.7}}
        assert self.section({"lstm_ppo": merged}) == {"n_epochs": 77, "gamma": 0.9}

    def test_interpolations_and_lists_arrive_as_plain_values(self):
        section = self.section({"size": 3, "lstm_ppo": {"obs_dim": ["${model.size}", 5, 5]}})
        assert section == {"obs_dim": [3, 5, 5]}
        assert type(section["obs_dim"]) is list

    @pytest.mark.parametrize(
        ("value", "key"), [(3, r"lstm_ppo"), ({"parameters": [1]}, r"lstm_ppo\.parameters")]
    )
    def test_section_of_another_type_is_an_error_naming_the_key(self, value, key):
        with pytest.raises(ConfigError, match=rf"^model\.{key} must be a section"):
            self.section({"lstm_ppo": value})
