"""Misspelt keys are named, and keys of the environment's own are not."""

import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig

from sorrel_recurrent_ppo import install, uninstall
from sorrel_recurrent_ppo.population.near_misses import warn_of_near_misses
from support.small_study import build_study

MODELS = ["dqn", "gru_ppo", "iqn", "lstm_ppo"]


@pytest.mark.parametrize(
    ("config", "path", "hint"),
    [
        ({"model": {"typ": "lstm_ppo"}}, "model.typ", "type"),
        ({"model": {"types": ["lstm_ppo", "iqn"]}}, "model.types", "type"),
        ({"model": {"lstm": {"hidden_size": 8}}}, "model.lstm", "lstm_ppo"),
        ({"model": {"gru_ppp": {"hidden_size": 8}}}, "model.gru_ppp", "gru_ppo"),
        ({"agent": {"forager": {"models": "iqn"}}}, "agent.forager.models", "model"),
        ({"agent": {"forager": {"gru_pp": {"gamma": 0.9}}}}, "agent.forager.gru_pp", "gru_ppo"),
        ({"replacment": {"mode": "random"}}, "replacment", "replacement"),
        ({"replacements": "turnover"}, "replacements", "replacement"),
        ({"agents": {"guard": {"model": "iqn"}}}, "agents", "agent"),
        ({"modle": "lstm_ppo"}, "modle", "model"),
        ({"models": {"type": "lstm_ppo"}}, "models", "model"),
        ({"models": {"gru_ppo": {"hidden_size": 8}}}, "models", "model"),
    ],
)
def test_misspelt_keys_are_named_with_the_nearest_valid_one(config, path, hint, caplog):
    warn_of_near_misses(DictConfig(config), MODELS)
    assert caplog.messages == [
        f"{path} is not a key of sorrel_recurrent_ppo. Did you mean '{hint}'?"
    ]


@pytest.mark.parametrize(
    "config",
    [
        {"model": {"type": "lstm_ppo", "lstm_ppo": {"hidden_size": 8}}, "replacement": "turnover"},
        {"model": {"types": 3, "typ": "fast", "mode": "iqn", "layer_size": 8}},
        {"model": {"parameters": {"a": 1}, "iqn": {"epsilon": 0.1}}, "replace": True},
        {"agent": {"forager": {"model": "iqn", "modes": "fast", "models": 3}}, "agents": 4},
        {"agents": {"guard": {"num": 2}}, "models": {"path": "iqn.pt"}, "mode": "fast"},
        {"model": "???", "agent": None, "place": "${model}"},
    ],
)
def test_keys_of_the_environment_are_not(config, caplog):
    warn_of_near_misses(DictConfig(config), MODELS)
    assert not caplog.messages


def test_a_config_with_only_misspelt_keys_is_warned_of_when_its_environment_is_built(caplog):
    install()
    try:
        build_study(model={"typ": "lstm_ppo"})
    finally:
        uninstall()
    assert "model.typ is not a key of sorrel_recurrent_ppo" in caplog.text


SCRIPT = """
from sorrel_recurrent_ppo import install
from support.small_study import build_study
{logging}
install()
build_study()
build_study()
"""


@pytest.mark.parametrize(
    ("logging", "expected"),
    [
        ("", ["sorrel_recurrent_ppo: agents 0-1: lstm_ppo (was iRainbowModel)"]),
        ("import logging; logging.basicConfig(level=logging.WARNING)", []),
    ],
    ids=["not configured", "configured"],
)
def test_a_plain_script_prints_who_got_which_model_once(logging, expected):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(logging=logging)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.splitlines() == expected
