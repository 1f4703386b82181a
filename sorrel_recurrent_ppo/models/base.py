"""The base class of both models: recurrent PPO behind Sorrel's model interface."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sorrel.models.pytorch.pytorch_base import PyTorchModel

from sorrel_recurrent_ppo.config_files import model_defaults
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError, NumericalError
from sorrel_recurrent_ppo.learning.ppo import PPOLearner
from sorrel_recurrent_ppo.learning.reward_scaling import ReturnScale
from sorrel_recurrent_ppo.learning.rollout import PendingStep, Position, Rollout, copy_extra_keys
from sorrel_recurrent_ppo.learning.settings import PPOSettings
from sorrel_recurrent_ppo.models.building import available_device, explain_allocation_failure
from sorrel_recurrent_ppo.models.checkpoint import read_checkpoint, write_checkpoint
from sorrel_recurrent_ppo.models.training_state import (
    load_training_state,
    rollback_if_not_finite,
    training_state,
)
from sorrel_recurrent_ppo.models.update import update_policy
from sorrel_recurrent_ppo.policy.acting import PolicyStep, StepResult, sample_branches
from sorrel_recurrent_ppo.policy.actions import flatten_action, split_actions, validate_action_dims
from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy
from sorrel_recurrent_ppo.policy.observations import (
    observation_layout,
    observation_shape,
    read_observation,
)
from sorrel_recurrent_ppo.policy.recurrent import CellType
from sorrel_recurrent_ppo.support.checks import check_integer, check_number
from sorrel_recurrent_ppo.support.randomness import (
    MAX_SEED,
    derive_seed,
    fresh_seed,
    untouched_random_state,
)
from sorrel_recurrent_ppo.support.torch_switches import plain_torch

__all__ = ["RecurrentPPO"]

_log = logging.getLogger(__name__)
_NO_CONTEXT = np.zeros(0, np.float32)
# Names of Q(s, a) in Sorrel's models and its research branches.
_ACTION_VALUES = ("get_all_qvalues", "get_qvalues", "state_values")


class RecurrentPPO(PyTorchModel):
    """Recurrent PPO behind Sorrel's model interface.

    The policy acts, the rollout (``memory``) stores the steps, the learner updates the policy.

    Attributes:
        settings: See :class:`~sorrel_recurrent_ppo.learning.settings.PPOSettings`.
        action_dims: Sizes of the action's branches.
        policy: The network.
        deterministic: Whether to take the most probable action instead of a sample.
        diagnostics: Metrics of the latest update, under Stable-Baselines3's names.
        n_updates: Number of updates so far.
        earlier_timesteps: Agent steps of the rollouts before the current one.
        return_scale: The running estimate of the divisor of rewards.
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
        """Build the model, without drawing from any global random stream.

        Args:
            input_size: Shape of an observation.
            action_space: Number of joint actions.
            layer_size: Width of the encoder's output; ``None`` for ``hidden_size``.
            epsilon: Stored because Sorrel logs and decays it; the policy does not use it.
            device: Device of the tensors.
            seed: Seed of all the model's random streams; ``None`` for a fresh one.
            **settings: Fields of ``PPOSettings``; the others have the packaged defaults.

        Raises:
            ConfigError: A setting is unknown, invalid, or inconsistent with the sizes.
        """
        # The upper bound is that of PyTorch's generator.
        seed = check_integer("seed", fresh_seed() if seed is None else seed, 0, MAX_SEED)
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
        with untouched_random_state(), plain_torch():
            super().__init__(
                shape,
                check_integer("action_space", action_space, 1),
                checked.layer_size or checked.hidden_size,
                epsilon,
                available_device(device),
                seed,
            )
            self.seed = seed
            self.settings = checked
            with explain_allocation_failure(shape, checked):
                self._build()
        self.deterministic = False
        self.learns = True
        self.norm_module: Any = None  # for study code to set; not used by the model
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
            max_time_constant=settings.max_time_constant,
        ).to(self.device)
        self._step = PolicyStep(self.policy)
        self.learner = PPOLearner(self.policy, settings, np.random.default_rng())
        self.reseed(self.seed)
        self.return_scale = ReturnScale(settings.gamma)
        self._rollout, self._evaluation_record = self._new_rollout(), self._new_rollout()
        self.agent_name = ""

    def reseed(self, seed: int) -> None:
        """Re-seed the model's random streams, for example after loading another agent's file."""
        self.seed = seed
        self.random_streams = [np.random.default_rng(derive_seed(seed, k)) for k in range(3)]

    @property
    def random_streams(self) -> list[np.random.Generator]:
        """The generators of sampling, of sampling in evaluation, and of shuffling minibatches."""
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

    # --- identity and mode ---

    @property
    def agent_name(self) -> str:
        """The agent's name in its environment; empty if it has none."""
        return self._agent_name

    @agent_name.setter
    def agent_name(self, name: str) -> None:
        self._agent_name = name
        self.display_name = name or f"{type(self).__name__} (unnamed agent)"
        self._rollout.display_name = self._evaluation_record.display_name = self.display_name

    @property
    def memory(self) -> Rollout:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The rollout; in evaluation a record of the running epoch, not used for learning."""
        return self._rollout if self.training else self._evaluation_record

    @property
    def rollout(self) -> Rollout:
        """The steps collected for the next update, also in evaluation."""
        return self._rollout

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of the policy's parameters."""
        return self.learner.optimizer

    @property
    def num_timesteps(self) -> int:
        """Number of agent steps collected for training so far."""
        return self.earlier_timesteps + self._rollout.size

    # --- what code written for Sorrel's other models asks ---

    @property
    def batch_size(self) -> int:
        """Steps of a minibatch; from this many on, asking for training makes sense."""
        return min(self.settings.batch_size, self.memory_size)

    @property
    def n_frames(self) -> int:
        """Number of stacked observations, always 1; the recurrent state remembers the others."""
        return 1

    @property
    def n_step(self) -> int:
        """Steps of a one-step return; GAE weighs returns of all lengths."""
        return 1

    @property
    def GAMMA(self) -> float:
        """The discount."""
        return self.settings.gamma

    @property
    def memory_size(self) -> int:
        """Fewest steps of an update; 1 with ``rollout_length=None``."""
        return self.settings.rollout_length or 1

    @property
    def use_factored_actions(self) -> bool:
        """Whether an action has several branches."""
        return len(self.action_dims) > 1

    def get_last_factored_actions(self) -> tuple[int, ...] | None:
        """Return the branches of the latest action; ``None`` before the first."""
        return self.last_actions or None

    def state_value(self, state: Any) -> np.ndarray:
        """Return the critic's value of a state, in the units of the scaled rewards.

        It is the value that :meth:`take_action` would store for this state. Nothing changes: not
        the recurrent state, the rollout or the random streams.

        Args:
            state: Observation before the next action, of any shape with the expected number of
                values.

        Returns:
            ``V(s)``, ``(1,)`` float32.

        Raises:
            TypeError: The observation is not an array of numbers.
            ValueError: The observation has another size or is not finite.
            NumericalError: The network's output is not finite.
        """
        obs = read_observation(state, self.layout.size, self.display_name)
        position = self.memory.next_position
        _, value, _ = self._network_output(obs, self._context(position), position.recurrent_state)
        return np.array([value], np.float32)

    def __getattr__(self, name: str) -> torch.Tensor | torch.nn.Module:
        """Raise AttributeError; for action values, name what the model has instead."""
        if name in _ACTION_VALUES:
            raise AttributeError(
                f"{self.display_name} has no {name}: PPO estimates the value of a state, not of "
                "each action. Use state_value(state)",
                name=name,
                obj=self,
            )
        return super().__getattr__(name)

    def train(self, mode: bool = True) -> RecurrentPPO:
        """Switch to collecting or, with ``mode=False``, to evaluation.

        A model with ``learns=False`` stays in evaluation.

        An evaluation starts from a zero state and an empty record; the rollout, the position in
        its episode and the random streams of training are unaffected.
        """
        if self.training and not (mode and self.learns):
            self._evaluation_record.clear()
            self._evaluation_record.start_episode()
            copy_extra_keys(self._rollout, self._evaluation_record)
        super().train(mode and self.learns)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> RecurrentPPO:
        """Move the optimizer's state along with the parameters, such as in ``to(device)``.

        Raises:
            ConfigError: The device is ``meta``, which stores no data.
        """
        if fn(torch.empty(0)).device.type == "meta":
            raise ConfigError(
                f"{self.display_name} cannot be moved to device 'meta', which stores no data"
            )
        super()._apply(fn, recurse)
        self.device = next(self.parameters()).device
        self.optimizer.load_state_dict(self.optimizer.state_dict())
        return self

    # --- acting ---

    def take_action(self, state: Any, deterministic: bool | None = None) -> int:
        """Choose an action and advance the recurrent state.

        Args:
            state: Observation of any shape with the expected number of values.
            deterministic: Overrides the attribute ``deterministic``.

        Returns:
            The flat index of the joint action; its branches are in ``last_actions``.

        Raises:
            RuntimeError: The reward of the previous action has not arrived.
            TypeError: The observation is not an array of numbers.
            ValueError: The observation has another size or is not finite.
            NumericalError: The network's output is not finite.
        """
        rollout = self.memory
        if rollout.pending is not None and self.training:
            raise RuntimeError(
                f"{self.display_name}: take_action was called again before memory.add(...) or "
                "add_memory_ppo(...) with the previous action's reward. Each agent needs its own "
                "model; to act without collecting, call model.eval() first"
            )
        obs = read_observation(state, self.layout.size, self.display_name)
        rollout.discard_pending()  # rewards are optional in evaluation
        context = self._context(rollout)
        flat_state = rollout.recurrent_state
        logits, value, next_flat_state = self._network_output(obs, context, flat_state)
        branches, log_probs = sample_branches(
            logits,
            self.action_dims,
            self._sampling_rng if self.training else self._evaluation_rng,
            deterministic=self.deterministic if deterministic is None else deterministic,
        )
        action = flatten_action(branches, self.action_dims)
        # Bypasses torch's __setattr__, which costs as much as a small layer.
        object.__setattr__(self, "last_actions", tuple(branches))
        rollout.begin(
            PendingStep(
                obs,
                context,
                action,
                log_probs,
                value,
                flat_state,
                next_flat_state,
                rollout.at_episode_start,
            )
        )
        return action

    def _network_output(
        self, obs: np.ndarray, context: np.ndarray, flat_state: np.ndarray
    ) -> StepResult:
        """Run the network for one step; raise NumericalError unless its output is finite."""
        inputs = np.concatenate((obs, context)) if self._context_size else obs
        result = logits, value, _ = self._step(inputs, flat_state)
        if not math.isfinite(value + sum(logits.tolist())):
            raise NumericalError(
                f"{self.display_name}: the policy's output is not finite", self.agent_name
            )
        return result

    def _context(self, position: Rollout | Position) -> np.ndarray:
        """Return the previous action and reward as inputs; zeros at the start of an episode."""
        if not self._context_size:
            return _NO_CONTEXT
        context = np.zeros(self._context_size, np.float32)
        if position.last_action is not None:
            first = 0
            branches = split_actions(np.array([position.last_action]), self.action_dims)[0]
            for choice, size in zip(branches, self.action_dims, strict=True):
                context[first + choice] = 1.0
                first += size
            # The symmetric logarithm is monotonic and keeps large rewards small.
            reward = position.last_reward
            context[-1] = math.copysign(math.log1p(abs(reward)), reward)
        return context

    def add_memory_ppo(self, reward: float, done: bool) -> None:
        """Complete the step begun by :meth:`take_action` (reference API of ``memory.add``)."""
        self.memory.complete(reward, done)

    def start_epoch_action(self, **kwargs: Any) -> None:
        """Start an episode from a zero state; Sorrel calls this before each epoch."""
        if self.training and self._rollout.pending is not None:
            _log.warning(
                "%s: the epoch was aborted between an action and its reward; the step is discarded",
                self.display_name,
            )
        if not self.training:
            self._evaluation_record.clear()
        self._close_episode()

    def end_epoch_action(self, **kwargs: Any) -> None:
        """Close the running episode, since a turn limit sets no ``done``; Sorrel's hook."""
        self._close_episode()

    def reset(self) -> None:
        """Close the running episode; Sorrel's agents call this."""
        self._close_episode()

    def _close_episode(self) -> None:
        if self.training and not self._rollout.size:
            self.return_scale.running_return = 0.0  # no stored step marks the episode's end
        self.memory.start_episode()

    # --- learning ---

    def train_step(self) -> np.ndarray:
        """Update if at least ``rollout_length`` steps have been collected.

        With ``rollout_length=None``, update if an episode has ended since the last update: in
        Sorrel's loop, which calls this after each epoch, on the steps of that epoch.

        It may be called at any time. Within an episode, the recurrent state and the position in
        the episode are kept, and returns bootstrap from the last stored step. A pending step
        belongs to the next rollout, with its original probabilities and value.

        Returns:
            The mean loss of the update; 0.0 if no update was due.
        """
        return np.array(self.learn() if self.update_is_due else 0.0)

    @property
    def update_is_due(self) -> bool:
        """Whether :meth:`train_step` would update; never in evaluation."""
        if not self.training:
            return False
        if self.settings.rollout_length is None:
            return self._rollout.has_episode_end
        return self._rollout.size >= self.settings.rollout_length

    def learn(self) -> float:
        """Update from the stored steps and clear them.

        Returns:
            The mean loss of the update; 0.0 without steps.

        Raises:
            NumericalError: A loss, a gradient or a weight is not finite. The update is rolled back
                and the steps are kept.
            TypeError: The weights are not in single precision.
        """
        if not self._rollout.size:
            return 0.0
        dtype = next(self.parameters()).dtype
        if dtype != torch.float32:
            raise TypeError(
                f"{self.display_name}: expected weights in torch.float32 to learn, found {dtype}"
            )
        with plain_torch(self.device.type), rollback_if_not_finite(self):
            metrics = update_policy(self)
        self.clear_memory()
        self.n_updates += 1
        self.diagnostics = {**metrics, "train/n_updates": float(self.n_updates)}
        return metrics["train/loss"]

    def clear_memory(self) -> None:
        """Remove the collected steps; the position in the episode is kept."""
        self.earlier_timesteps += self._rollout.size
        self._rollout.clear()

    # --- saving ---

    def save(self, file_path: str | os.PathLike[str]) -> None:
        """Save the complete training state, see :meth:`training_state`.

        Raises:
            CheckpointError: The file could not be written; an existing one is unchanged.
        """
        write_checkpoint(file_path, self.training_state())

    def load(self, file_path: str | os.PathLike[str]) -> None:
        """Restore a saved training state, on this model's device and with its settings.

        Raises:
            CheckpointError: The file is missing, damaged, or of a different model. This model is
                unchanged.
        """
        content = read_checkpoint(file_path)
        try:
            self.load_training_state(content)
        except ValueError as error:
            raise CheckpointError(f"checkpoint {file_path}: {error}") from error

    def training_state(self) -> dict[str, Any]:
        """Return weights, optimizer, counters, random state and rollout, as plain values."""
        return training_state(self)

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Restore the result of :meth:`training_state` of a model of the same shape.

        Raises:
            ValueError: The state is damaged or of a different model. This model is unchanged.
        """
        load_training_state(self, state)
        # The states of a running evaluation come from the previous weights.
        self._evaluation_record.clear()
        self._evaluation_record.start_episode()
