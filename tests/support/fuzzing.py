"""Fuzz checkpoints and configs: expect only documented errors, and no half-loaded model.

python tests/support/fuzzing.py --inputs 100000
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import json
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.experiments.environments import build_environment
from sorrel_recurrent_ppo.integration.install import install
from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO, RecurrentPPO, RecurrentPPOLSTM
from sorrel_recurrent_ppo.models.checkpoint import write_checkpoint

SMALL: dict[str, Any] = {"hidden_size": 3, "layer_size": 3, "rollout_length": 6}
SMALL |= {"sequence_length": 2, "batch_size": 3, "n_epochs": 1, "seed": 1}


def corrupted(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the data with some bytes changed, removed, swapped, repeated or truncated."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        if not changed:
            break
        one, other = sorted(int(n) for n in rng.integers(0, len(changed), size=2))
        operation = rng.integers(5)
        if operation == 0:
            changed[one] ^= int(rng.integers(1, 256))
        elif operation == 1:
            del changed[one : one + int(rng.integers(1, 9))]
        elif operation == 2:
            changed[one], changed[other] = changed[other], changed[one]
        elif operation == 3:
            changed[one:one] = changed[one : one + int(rng.integers(1, 9))]
        else:
            del changed[one:]
    return bytes(changed)


def fingerprint(model: RecurrentPPO) -> bytes:
    """Return bytes that are equal if and only if the training states are."""
    parts: list[bytes] = []

    def collect(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            parts.append(value.numpy().tobytes())
        elif isinstance(value, dict):
            for key in value:
                parts.append(str(key).encode())
                collect(value[key])
        elif isinstance(value, list | tuple):
            for item in value:
                collect(item)
        else:
            parts.append(json.dumps(value).encode())

    collect(model.training_state())
    return b"|".join(parts)


def trained_model(cls: type[RecurrentPPO], seed: int) -> RecurrentPPO:
    """Return a small model after an update, in the middle of a rollout."""
    model = cls((2,), 2, **{**SMALL, "seed": seed})
    rng = np.random.default_rng(seed)
    for t in range(9):
        model.take_action(rng.normal(size=2))
        model.add_memory_ppo(float(rng.normal()), t == 3)
        model.train_step()
    return model


def nested_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all items of a nested container."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in items:
        found.append((*path, key))
        if isinstance(item, dict | list):
            found += nested_paths(item, (*path, key))
    return found


STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 2**70, 1.5, float("nan"), float("inf"), "x", "", [], {}, [1], {"a": 1}),
    *(torch.zeros(2), torch.full((1,), float("nan")), torch.zeros(1, dtype=torch.complex64)),
)


def mutate_content(
    content: dict[str, Any], rng: np.random.Generator, strange: tuple[Any, ...] = STRANGE
) -> dict[str, Any]:
    """Replace or remove one value of otherwise valid content."""
    paths = nested_paths(content)
    path = paths[int(rng.integers(len(paths)))]
    holder: Any = content
    for key in path[:-1]:
        holder = holder[key]
    if rng.integers(4) == 0:
        del holder[path[-1]]
    else:
        holder[path[-1]] = strange[int(rng.integers(len(strange)))]
    return content


def try_checkpoint(
    model: RecurrentPPO, path: Path, before: bytes, rebuild: Callable[[], RecurrentPPO]
) -> tuple[str, RecurrentPPO]:
    """Load a file: after an error the model must be unchanged, otherwise it must train."""
    try:
        model.load(path)
    except CheckpointError:
        if fingerprint(model) != before:
            raise AssertionError(f"{path} left a half-loaded model") from None
        return "refused", model
    for _ in range(8):
        model.take_action(np.zeros(2))
        model.add_memory_ppo(1.0, False)
    model.train_step()
    return "harmless", rebuild()


def fuzz_checkpoints(n: int, seed: int, folder: Path) -> collections.Counter[str]:
    """Try ``n`` checkpoints: half with corrupted bytes, half with valid bytes and wrong content."""
    rng, counts = np.random.default_rng(seed), collections.Counter[str]()
    classes = (RecurrentPPOLSTM, DualHeadRecurrentPPO)
    models = {cls: trained_model(cls, 5) for cls in classes}
    before = {cls: fingerprint(models[cls]) for cls in classes}
    files, contents = {}, {}
    for cls in classes:
        path = folder / f"{cls.__name__}.pt"
        trained_model(cls, 7).save(path)
        files[cls], contents[cls] = path.read_bytes(), trained_model(cls, 7).training_state()
    path = folder / "fuzzed.pt"
    for i in range(n):
        cls = classes[i % 2]
        if i % 4 < 2:
            path.write_bytes(corrupted(files[cls], rng))
        else:
            write_checkpoint(path, mutate_content(_copied(contents[cls]), rng))
        result, models[cls] = try_checkpoint(
            models[cls], path, before[cls], lambda cls=cls: trained_model(cls, 5)
        )
        counts[f"checkpoint {result}"] += 1
    return counts


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, torch.Tensor):
        return value.clone()
    return [_copied(item) for item in value] if isinstance(value, list) else value


def try_config(config: DictConfig) -> str:
    """Build a Sorrel environment with the given model section; return the kind of result."""
    given: Any = OmegaConf.to_container(config)
    packaged: Any = OmegaConf.to_container(
        OmegaConf.load(config_dir() / "environment" / "treasurehunt.yaml")
    )
    model = given["model"] if isinstance(given.get("model"), dict) else {}
    if isinstance(model.get("lstm_ppo"), dict):
        # Corrupted sizes may exceed the memory.
        model["lstm_ppo"] |= {"hidden_size": 3, "layer_size": 3}
    packaged["model"] = model | packaged["model"]
    packaged["world"] |= {"height": 5, "width": 5}
    complete = OmegaConf.create(given | packaged)
    assert isinstance(complete, DictConfig)
    try:
        build_environment(complete)
    except ConfigError:
        return "refused"
    return "harmless"


def corrupted_config(text: bytes, rng: np.random.Generator) -> DictConfig | None:
    """Return a config parsed from corrupted text; ``None`` if the YAML parser rejects it."""
    try:
        content = yaml.safe_load(corrupted(text, rng).decode(errors="replace"))
        return OmegaConf.create(content) if isinstance(content, dict) else None
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, TypeError, AttributeError):
        return None


def config_with_strange_value(text: bytes, rng: np.random.Generator) -> DictConfig:
    """Return a config with one value replaced, removed or made an unresolvable interpolation."""
    strange = [value for value in STRANGE if not isinstance(value, torch.Tensor)]
    return OmegaConf.create(
        mutate_content(yaml.safe_load(text), rng, (*strange, "${nowhere}", "${nowhere:1}", "???"))
    )


def fuzz_configs(n: int, seed: int) -> collections.Counter[str]:
    """Try ``n`` small configs: half with corrupted text, half with a strange value."""
    rng, counts = np.random.default_rng(seed), collections.Counter[str]()
    defaults = (config_dir() / "model" / "base" / "recurrent_ppo.yaml").read_text()
    lines = [line.partition("#")[0].rstrip() for line in defaults.splitlines()]
    section = "\n".join(f"    {line}" for line in lines if line)
    text = f"seed: 1\nmodel:\n  type: lstm_ppo\n  lstm_ppo:\n{section}\n".encode()
    for i in range(n):
        config = corrupted_config(text, rng) if i % 2 else config_with_strange_value(text, rng)
        counts[f"config {'not YAML' if config is None else try_config(config)}"] += 1
    return counts


def main() -> None:
    """Run the inputs and print the number of each result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    n_configs = arguments.inputs // 5
    install()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        counts = fuzz_configs(n_configs, arguments.seed)
        counts += fuzz_checkpoints(arguments.inputs - n_configs, arguments.seed, Path(folder))
    print(f"{counts.total()} inputs, no undocumented error, no half-loaded model")
    for result, count in sorted(counts.items()):
        print(f"  {result}: {count}")


if __name__ == "__main__":
    main()
