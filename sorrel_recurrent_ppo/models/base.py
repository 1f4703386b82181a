"""Recurrent PPO behind Sorrel's model interface: what both models share."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from sorrel.models.pytorch.pytorch_base import PyTorchModel

from sorrel_recurrent_ppo.config_files import model_defaults
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError, NumericalError
from sorrel_recurrent_ppo.learning.ppo import PPOLearner
from sorrel_recurrent_ppo.learning.reward_scaling import ReturnScale
from sorrel_recurrent_ppo.learning.rollout import PendingStep, Rollout
from sorrel_recurrent_ppo.learning.schedules import linear
from sorrel_recurrent_ppo.learning.settings import PPOSettings
from sorrel_recurrent_ppo.models.checkpoint import read_checkpoint, write_checkpoint
from sorrel_recurrent_ppo.models.training_state import (
    load_training_state,
    rollback_if_not_finite,
    training_state,
)
from sorrel_recurrent_ppo.policy.acting import PolicyStep, sample_branches
from sorrel_recurrent_ppo.policy.actions import flatten_action, split_actions, validate_action_dims
from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy
from sorrel_recurrent_ppo.policy.observations import (
    observation_layout,
    observation_shape,
    read_observation,
)
from sorrel_recurrent_ppo.policy.recurrent import CellType
from sorrel_recurrent_ppo.support.checks import check_integer, check_number
from sorrel_recurrent_ppo.support.randomness import derive_seed, fresh_seed, untouched_random_state

__all__ = ["RecurrentPPO"]

_log = logging.getLogger(__name__)
_NO_CONTEXT = np.zeros(0, np.float32)


class RecurrentPPO(PyTorchModel):
    """Recurrent PPO behind Sorrel's model interface.

    It joins the parts: the policy acts, the rollout (``memory``) stores, the learner updates.

    Attributes:
        settings: What was set, see :class:`~sorrel_recurrent_ppo.learning.settings.PPOSettings`.
        action_dims: Sizes of the action's branches.
        policy: The network.
        deterministic: Take the most probable action instead of a sample.
        diagnostics: Figures of the latest update, under Stable-Baselines3's names.
        n_updates: Updates made so far.
        earlier_timesteps: Agent steps of the rollouts before the present one.
        return_scale: What rewards are divided by, as far as it has been learned.
        last_actions: Branches of the latest action; empty before the first.
    """

    registry_name: ClassVar[str]
    cell: ClassVar[CellType]

    def __init__(
        self,
        input_size: int | Sequence[int],
        action_space: int,
        layer_size: int | None = None,
        epsilon: float = 0.0,
        device: str | torch.device = "cpu",
        seed: int | None = None,
        **settings: Any,
    ):
        """Build the model. No global random stream is touched.

        Args:
            input_size: Shape of an observation.
            action_space: Number of joint actions.
            layer_size: Width of the encoder's output; ``None`` for the hidden size.
            epsilon: Kept for Sorrel, which logs and decays it; the policy explores by itself.
            device: Where the tensors live.
            seed: Seed of all the model's randomness; ``None`` for a new one.
            **settings: Fields of ``PPOSettings``; the packaged defaults hold for the others.

        Raises:
            ConfigError: A setting is unknown or out of range, or does not fit the sizes.
        """
        # The bound is that of PyTorch's generator.
        seed = check_integer("seed", fresh_seed() if seed is None else seed, 0, 2**64 - 1)
        epsilon = check_number("epsilon", epsilon, low=0.0, high=1.0)
        shape = observation_shape(input_size)
        if layer_size is not None:
            settings["layer_size"] = layer_size
        values = {**model_defaults(self.registry_name), **settings}
        checked = PPOSettings.from_mapping(
            values,
            where=f"model '{self.registry_name}'",
            other_names=("device", "epsilon", "seed"),
        )
        with untouched_random_state():
            super().__init__(
                shape,
                check_integer("action_space", action_space, 1),
                checked.layer_size or checked.hidden_size,
                epsilon,
                _available_device(device),
                seed,
            )
            self.seed = seed
            self.settings = checked
            with _explaining_allocation_failure(shape, checked):
                self._build()
        self.deterministic = False
        self.diagnostics: dict[str, float] = {}
        self.n_updates = 0
        self.last_actions: tuple[int, ...] = ()
        self.earlier_timesteps = 0

    def _build(self) -> None:
        settings = self.settings
        self.hidden_size = settings.hidden_size
        dims = settings.action_dims or self._default_action_dims()
        self.action_dims = validate_action_dims(dims, self.action_space)
        self.layout = observation_layout(self.input_size, settings.obs_type, settings.obs_dim)
        # A one-hot of each branch of the previous action, and the previous reward.
        self._context_size = sum(self.action_dims) + 1 if settings.previous_action_reward else 0
        self.policy = RecurrentPolicy(
            self.layout.with_scalars(self._context_size),
            self.cell,
            self.action_dims,
            layer_size=self.layer_size,
            hidden_size=settings.hidden_size,
            layer_norm=settings.layer_norm,
        ).to(self.device)
        self._step = PolicyStep(self.policy)
        self.learner = PPOLearner(self.policy, settings, np.random.default_rng())
        self.reseed(self.seed)
        self.return_scale = ReturnScale(settings.gamma)
        self._rollout, self._evaluation_record = self._new_rollout(), self._new_rollout()
        self.agent_name = ""

    def reseed(self, seed: int) -> None:
        """Start the model's random streams anew, such as after loading another agent's file."""
        self.seed = seed
        self.random_streams = [np.random.default_rng(derive_seed(seed, k)) for k in range(3)]

    @property
    def random_streams(self) -> list[np.random.Generator]:
        """The model's own: for sampling, for sampling in evaluation, for shuffling minibatches."""
        return [self._sampling_rng, self._evaluation_rng, self.learner.rng]

    @random_streams.setter
    def random_streams(self, streams: list[np.random.Generator]) -> None:
        self._sampling_rng, self._evaluation_rng, self.learner.rng = streams

    def _new_rollout(self) -> Rollout:
        return Rollout(
            observation_shape(self.input_size),
            state_size=self.policy.core.state_size,
            n_branches=len(self.action_dims),
            context_size=self._context_size,
        )

    def _default_action_dims(self) -> tuple[int, ...]:
        return (self.action_space,)

    # --- who and where ---

    @property
    def agent_name(self) -> str:
        """The name that the environment gave the agent; empty for none."""
        return self._agent_name

    @agent_name.setter
    def agent_name(self, name: str) -> None:
        self._agent_name = name
        self.display_name = name or f"{type(self).__name__} without an agent's name"
        self._rollout.display_name = self._evaluation_record.display_name = self.display_name

    @property
    def memory(self) -> Rollout:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The rollout; in evaluation a record of the running epoch that is never learned from."""
        return self._rollout if self.training else self._evaluation_record

    @property
    def rollout(self) -> Rollout:
        """The steps collected for the next update, in evaluation too."""
        return self._rollout

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of the policy's parameters."""
        return self.learner.optimizer

    @property
    def num_timesteps(self) -> int:
        """Agent steps collected for training so far."""
        return self.earlier_timesteps + self._rollout.size

    def train(self, mode: bool = True) -> RecurrentPPO:
        """Switch between collecting and, with ``mode=False``, evaluation.

        An evaluation starts from a zero state and an empty record; the training's place in the
        episode, its random stream and its rollout wait untouched.
        """
        if self.training and not mode:
            self._evaluation_record.clear()
            self._evaluation_record.start_episode()
            self._evaluation_record.share_extra_keys(self._rollout)
        super().train(mode)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> RecurrentPPO:
        """Follow ``to(device)``: the optimizer's state goes with the parameters.

        Raises:
            ConfigError: The device ``meta`` holds no numbers.
        """
        if fn(torch.empty(0)).device.type == "meta":
            raise ConfigError(
                f"{self.display_name} cannot go to device 'meta', which holds no numbers"
            )
        super()._apply(fn, recurse)
        self.device = next(self.parameters()).device
        self.optimizer.load_state_dict(self.optimizer.state_dict())
        return self

    # --- acting ---

    def take_action(self, state: Any, deterministic: bool | None = None) -> int:
        """Choose an action and advance the recurrent state.

        Args:
            state: Observation of any shape with the right number of values.
            deterministic: Overrules the attribute of that name.

        Returns:
            The flat index of the joint action; its branches are in ``last_actions``.

        Raises:
            RuntimeError: The reward of the previous action has not arrived.
            TypeError, ValueError: The observation is unfit.
            NumericalError: The network's output is not finite.
        """
        rollout = self.memory
        if rollout.pending is not None and self.training:
            raise RuntimeError(
                f"{self.display_name}: take_action was called again before the previous action's "
                "reward came by memory.add(...) or add_memory_ppo(...). Each agent needs a "
                "model of its own; to act without collecting, call model.eval() first"
            )
        obs = read_observation(state, self.layout.size, self.display_name)
        rollout.discard_pending()  # in evaluation rewards need not come
        context = self._context(rollout)
        row = rollout.recurrent_state
        inputs = np.concatenate((obs, context)) if self._context_size else obs
        logits, value, next_flat_state = self._step(inputs, row)
        if not math.isfinite(value + sum(logits.tolist())):
            raise NumericalError(
                f"{self.display_name}: the policy's output is not finite", self.agent_name
            )
        branches, log_probs = sample_branches(
            logits,
            self.action_dims,
            self._sampling_rng if self.training else self._evaluation_rng,
            deterministic=self.deterministic if deterministic is None else deterministic,
        )
        action = flatten_action(branches, self.action_dims)
        # Not by torch's own __setattr__, which costs as much as a small layer.
        object.__setattr__(self, "last_actions", tuple(branches))
        rollout.begin(
            PendingStep(
                obs,
                context,
                action,
                log_probs,
                value,
                row,
                next_flat_state,
                rollout.at_episode_start,
            )
        )
        return action

    def _context(self, rollout: Rollout) -> np.ndarray:
        """Return the previous action and reward as inputs; zeros at an episode's start."""
        if not self._context_size:
            return _NO_CONTEXT
        context = np.zeros(self._context_size, np.float32)
        if rollout.last_action is not None:
            first = 0
            branches = split_actions(np.array([rollout.last_action]), self.action_dims)[0]
            for choice, size in zip(branches, self.action_dims, strict=True):
                context[first + choice] = 1.0
                first += size
            # Symmetric logarithm: keeps the order of rewards of any size, and inputs small.
            reward = rollout.last_reward
            context[-1] = math.copysign(math.log1p(abs(reward)), reward)
        return context

    def add_memory_ppo(self, reward: float, done: bool) -> None:
        """Complete the step begun by :meth:`take_action`: the specification's ``memory.add``."""
        self.memory.complete(reward, done)

    def start_epoch_action(self, **kwargs: Any) -> None:
        """Start an episode from a zero state (Sorrel's hook, with ``epoch``)."""
        if self.training and self._rollout.pending is not None:
            _log.warning(
                "%s: the epoch broke off between an action and its reward", self.display_name
            )
        if not self.training:
            self._evaluation_record.clear()
        self._close_episode()

    def end_epoch_action(self, **kwargs: Any) -> None:
        """Close the running episode: with a turn limit no ``done`` does (Sorrel's hook)."""
        self._close_episode()

    def reset(self) -> None:
        """Close the running episode (Sorrel's hook, called by agents)."""
        self._close_episode()

    def _close_episode(self) -> None:
        if self.training and not self._rollout.size:
            self.return_scale.running_return = 0.0  # no step is left that could tell its end
        self.memory.start_episode()

    # --- learning ---

    def train_step(self) -> np.ndarray:
        """Update once ``rollout_length`` steps are there, be it after several epochs.

        It may be called at any time. Within an episode, the recurrent state and the place in the
        episode stay, and returns look no further than the steps there are. A step that waits for
        its reward goes on waiting: it belongs to the next rollout, with the probabilities and the
        value that it was chosen with.

        Returns:
            The mean loss of the update, or 0.0 while steps are being collected or evaluated.
        """
        return np.array(self.learn() if self.update_is_due else 0.0)

    @property
    def update_is_due(self) -> bool:
        """Whether the model is collecting and has ``rollout_length`` steps."""
        return self.training and self._rollout.size >= self.settings.rollout_length

    def learn(self) -> float:
        """Update on the steps there are, and clear them; returns the mean loss (0.0 for none).

        Raises:
            NumericalError: A loss, a gradient or a weight is not finite; the model is then as it
                was before the update, with the steps that led to it.
            TypeError: The weights are not in single precision.
        """
        if not self._rollout.size:
            return 0.0
        dtype = next(self.parameters()).dtype
        if dtype != torch.float32:
            raise TypeError(
                f"{self.display_name} learns in torch.float32 only, and has been made {dtype}"
            )
        with rollback_if_not_finite(self):
            metrics = self._update()
        self.clear_memory()
        self.n_updates += 1
        self.diagnostics = {**metrics, "train/n_updates": float(self.n_updates)}
        return metrics["train/loss"]

    def _update(self) -> dict[str, float]:
        settings, progress = self.settings, self.num_timesteps
        arrays = self._rollout.arrays()
        n_episodes = max(1, int(arrays.episode_ends.sum()))
        episode_reward = float(arrays.rewards.sum(dtype=np.float64)) / n_episodes
        if settings.reward_scaling:
            self.return_scale.observe(
                arrays.rewards, self._rollout.episode_ends[: self._rollout.size]
            )
            arrays = arrays.with_rewards_divided_by(self.return_scale.scale)
        metrics = self.learner.update(
            arrays,
            learning_rate=settings.learning_rate
            * linear(
                1.0,
                settings.learning_rate_end_factor,
                progress / settings.learning_rate_decay_steps,
            ),
            entropy_coef=linear(
                settings.entropy_start,
                settings.entropy_end,
                progress / settings.entropy_decay_steps,
            ),
        )
        return {**metrics, "rollout/ep_rew_mean": episode_reward}

    def clear_memory(self) -> None:
        """Forget the collected steps; the recurrent state and the place in the episode stay."""
        self.earlier_timesteps += self._rollout.size
        self._rollout.clear()

    # --- saving ---

    def save(self, file_path: str | os.PathLike[str]) -> None:
        """Save all that training needs to go on: weights, optimizer, counters, random state.

        Raises:
            CheckpointError: The file could not be written; an older one is then as it was.
        """
        write_checkpoint(file_path, self.training_state())

    def load(self, file_path: str | os.PathLike[str]) -> None:
        """Go on from a saved model, on this model's own device and with its own settings.

        Raises:
            CheckpointError: The file is missing, damaged, or of another model or shape; this model
                is then as it was.
        """
        content = read_checkpoint(file_path)
        try:
            self.load_training_state(content)
        except ValueError as error:
            raise CheckpointError(f"checkpoint {file_path} {error}") from error

    def training_state(self) -> dict[str, Any]:
        """Return all that training needs to go on, as tensors and plain values: what is saved."""
        return training_state(self)

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`training_state` returned for a model of the same shape.

        Raises:
            ValueError: The state does not fit or is damaged; this model is then as it was.
        """
        load_training_state(self, state)
        # An evaluation's state comes from the weights that were there before.
        self._evaluation_record.clear()
        self._evaluation_record.start_episode()


def _available_device(device: str | torch.device) -> torch.device:
    """Return a device that can hold data."""
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:
        first_line = str(error).partition("\n")[0]
        raise ConfigError(f"device {str(device)!r} is not available: {first_line}") from error
    return chosen


# What PyTorch and numpy say of a size that cannot be allocated; they have no class for it.
_ALLOCATION_MESSAGES = (
    "can't allocate memory",
    "not enough memory",
    "size calculation overflowed",
    "overflow when unpacking long",
    "array is too big",
    "maximum allowed dimension exceeded",
    "too large to convert",
)


@contextmanager
def _explaining_allocation_failure(shape: tuple[int, ...], settings: PPOSettings) -> Iterator[None]:
    """Raise ConfigError where the model's arrays cannot be allocated; other errors pass."""
    try:
        yield
    except (MemoryError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        too_large = isinstance(error, MemoryError | OverflowError | torch.OutOfMemoryError)
        if not too_large and not any(m in str(error).lower() for m in _ALLOCATION_MESSAGES):
            raise
        raise ConfigError(
            f"a model of hidden_size={settings.hidden_size} and layer_size={settings.layer_size} "
            f"for input_size={list(shape)} cannot be built: {str(error).partition('\n')[0]}"
        ) from error
