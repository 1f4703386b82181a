"""Model registry: names, loading and building."""

import pickle
import random
import subprocess
import sys
from importlib.metadata import EntryPoint, distributions

import numpy as np
import pytest
import torch
from sorrel.action.action_spec import ActionSpec
from sorrel.models import RandomModel
from sorrel.models.pytorch import PyTorchDQN, PyTorchIQN
from sorrel.observation.observation_spec import OneHotObservationSpec

from sorrel_recurrent_ppo import registry
from sorrel_recurrent_ppo.errors import ConfigError

SIZES = {"input_size": (6,), "action_space": 3}


def entry_point(name="one", value="sorrel.models:RandomModel"):
    return EntryPoint(name=name, value=value, group="sorrel.models")


def installed_entry_points(folder, **distributions_and_models):
    """Write distributions to disk as pip does and return their entry points."""
    for dist, (name, value) in distributions_and_models.items():
        info = folder / f"{dist}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[sorrel.models]\n{name} = {value}\n")
    return [point for dist in distributions(path=[str(folder)]) for point in dist.entry_points]


def global_random_states():
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 - read only
    return random.getstate(), pickle.dumps(numpy_state), torch.get_rng_state().tolist()


@pytest.fixture
def register():
    """Register models for one test."""
    names = []

    def register(name, cls):
        registry.register_model(name, cls)
        names.append(name)

    yield register
    for name in names:
        registry._registered.pop(name, None)


class TestNames:
    def test_available_models_include_own_and_sorrels_models(self):
        assert {"gru_ppo", "lstm_ppo", "iqn", "dqn"} <= set(registry.available_models())

    def test_available_models_imports_neither_torch_nor_sorrel(self):
        code = (
            "import sys\nfrom sorrel_recurrent_ppo.registry import available_models\n"
            "assert 'lstm_ppo' in available_models()\n"
            "print([m for m in ('torch', 'sorrel') if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"

    def test_register_model_lists_and_loads_the_model(self, register):
        register("my_model", RandomModel)
        assert "my_model" in registry.available_models()
        assert registry.load_model_class("my_model") is RandomModel

    def test_register_model_replaces_an_earlier_registration(self, register):
        register("my_model", RandomModel)
        register("my_model", PyTorchDQN)
        assert registry.load_model_class("my_model") is PyTorchDQN

    def test_register_model_rejects_an_installed_name(self):
        with pytest.raises(ConfigError, match="'iqn' is taken by sorrel-recurrent-ppo"):
            registry.register_model("iqn", RandomModel)

    def test_register_model_rejects_an_instance(self):
        with pytest.raises(TypeError, match="needs a class"):
            registry.register_model("mine", RandomModel((2,), 2, 1))  # pyright: ignore

    def test_find_name_compares_by_identity(self, register):
        class Mine(PyTorchIQN):
            pass

        assert registry.find_name(PyTorchIQN) == "iqn"
        assert registry.find_name(Mine) is None
        register("mine", Mine)
        assert registry.find_name(Mine) == "mine"


class TestLoading:
    def test_load_from_loads_an_entry_point(self):
        catalogue = registry.build_catalogue([entry_point("one"), entry_point("two")])
        assert set(catalogue) == {"one", "two"}
        assert registry.load_from(catalogue, "two") is RandomModel

    def test_load_from_suggests_the_closest_name(self):
        catalogue = registry.build_catalogue([entry_point("gru_ppo"), entry_point("iqn")])
        with pytest.raises(ConfigError) as caught:
            registry.load_from(catalogue, "gru_pop")
        assert "no model named 'gru_pop'" in str(caught.value)
        assert "Did you mean 'gru_ppo'?" in str(caught.value)
        assert "Valid: gru_ppo, iqn" in str(caught.value)

    def test_load_from_reports_a_broken_plugin_only_when_loaded(self, tmp_path):
        points = installed_entry_points(
            tmp_path,
            broken_dist=("broken", "no_such_module_anywhere:Model"),
            intact_dist=("intact", "sorrel.models:RandomModel"),
        )
        catalogue = registry.build_catalogue(points)
        assert registry.load_from(catalogue, "intact") is RandomModel
        with pytest.raises(ConfigError, match=r"'broken' of broken_dist .*no_such_module_anywhere"):
            registry.load_from(catalogue, "broken")

    def test_load_from_rejects_a_name_claimed_twice(self, tmp_path):
        points = installed_entry_points(
            tmp_path,
            first_dist=("same", "sorrel.models:RandomModel"),
            second_dist=("same", "sorrel.models:HumanPlayer"),
        )
        catalogue = registry.build_catalogue(points)
        assert list(catalogue) == ["same"]  # listing still works
        with pytest.raises(ConfigError, match=r"claimed by first_dist .* and second_dist"):
            registry.load_from(catalogue, "same")

    def test_load_from_rejects_an_entry_point_that_is_no_class(self):
        catalogue = registry.build_catalogue([entry_point("one", "math:pi")])
        with pytest.raises(ConfigError, match="not a class"):
            registry.load_from(catalogue, "one")


class TestBuilding:
    @pytest.mark.parametrize(("name", "cls"), [("iqn", PyTorchIQN), ("dqn", PyTorchDQN)])
    def test_build_model_overrides_the_packaged_defaults(self, name, cls):
        model = registry.build_model(name, **SIZES, epsilon=0.1)
        assert isinstance(model, cls)
        assert isinstance(model, PyTorchIQN | PyTorchDQN)
        assert model.epsilon == 0.1
        assert (model.layer_size, model.n_frames, model.memory.capacity) == (250, 5, 1024)

    def test_build_model_takes_sizes_from_the_specs(self):
        spec = OneHotObservationSpec(["EmptyEntity", "Wall", "Gem"], False, vision_radius=2)
        spec.override_input_size((75,))
        model = registry.build_model(
            "iqn", observation_spec=spec, action_spec=ActionSpec(["up", "down", "stay"])
        )
        assert (tuple(model.input_size), model.action_space) == ((75,), 3)  # pyright: ignore

    def test_build_model_prefers_a_given_size_to_the_spec(self):
        spec = OneHotObservationSpec(["EmptyEntity", "Wall"], False, vision_radius=1)
        model = registry.build_model(
            "dqn", observation_spec=spec, input_size=(21,), action_spec=ActionSpec(["a", "b"])
        )
        assert model.input_size == (21,)

    @pytest.mark.parametrize(
        ("given", "needed"),
        [({"action_space": 3}, "observation_spec"), ({"input_size": (6,)}, "action_spec")],
    )
    def test_build_model_rejects_a_missing_size(self, given, needed):
        with pytest.raises(ConfigError, match=f"needs {needed}"):
            registry.build_model("iqn", **given)

    @pytest.mark.parametrize("name", ["iqn", "lstm_ppo"])
    def test_build_model_suggests_the_closest_parameter(self, name):
        with pytest.raises(ConfigError, match=r"no parameter 'layer_sise'.*'layer_size'"):
            registry.build_model(name, **SIZES, layer_sise=3)

    def test_build_model_accepts_parameters_that_a_subclass_forwards(self, register):
        class Mine(PyTorchDQN):
            def __init__(self, *, bonus=0.0, **kwargs):
                super().__init__(**kwargs)
                self.bonus = bonus

        register("mine", Mine)
        parameters = {"layer_size": 8, "epsilon": 0.0, "device": "cpu"}
        assert registry.build_model("mine", **SIZES, **parameters, bonus=2.0).bonus == 2.0  # pyright: ignore
        with pytest.raises(ConfigError, match="Did you mean 'GAMMA'"):
            registry.build_model("mine", **SIZES, **parameters, GAMA=0.5)

    @pytest.mark.parametrize("name", ["iqn", "dqn", "gru_ppo", "lstm_ppo"])
    def test_build_model_seeds_weights_and_keeps_global_streams(self, name):
        states = global_random_states()
        one, same, other, unseeded = (
            registry.build_model(name, **SIZES, seed=seed) for seed in (5, 5, 6, None)
        )
        weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (one, same, other)]  # pyright: ignore
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])
        assert unseeded is not None
        assert global_random_states() == states

    def test_build_model_seeds_a_model_without_seed_parameter(self, register):
        class Mine(RandomModel):
            def __init__(self, input_size, action_space):
                super().__init__(input_size, action_space, memory_size=1)
                self.weight = torch.randn(3)

        register("mine", Mine)
        weights = [registry.build_model("mine", **SIZES, seed=s).weight for s in (1, 1, 2)]  # pyright: ignore
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])


class TestPPOModels:
    def test_is_ppo_model_recognises_classes_and_instances(self):
        for name in ("gru_ppo", "lstm_ppo"):
            assert registry.is_ppo_model(registry.load_model_class(name))
            assert registry.is_ppo_model(registry.build_model(name, **SIZES))
        assert not registry.is_ppo_model(PyTorchIQN)
        assert not registry.is_ppo_model(registry.build_model("dqn", **SIZES))

    def test_build_model_passes_the_specs_picture_shape(self):
        spec = OneHotObservationSpec(["EmptyEntity", "Wall", "Gem"], False, vision_radius=2)
        spec.override_input_size((1, 78))  # the picture and three scalars
        model = registry.build_model(
            "gru_ppo", observation_spec=spec, action_spec=ActionSpec(["up", "down"])
        )
        assert model.settings.obs_dim == (3, 5, 5)  # pyright: ignore

    def test_build_model_prefers_a_given_obs_dim(self):
        spec = OneHotObservationSpec(["EmptyEntity", "Wall", "Gem"], False, vision_radius=2)
        model = registry.build_model(
            "lstm_ppo", observation_spec=spec, action_space=2, obs_dim=[3, 5, 5], seed=1
        )
        assert model.settings.obs_dim == (3, 5, 5)  # pyright: ignore
