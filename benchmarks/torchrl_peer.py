"""A learner built from TorchRL's parts: `LSTMModule`, its collector, `GAE` and `ClipPPOLoss`."""

from __future__ import annotations

import torch
from tensordict import TensorDict, TensorDictBase
from tensordict.nn import TensorDictModule, TensorDictSequential
from torch import nn
from torchrl.collectors import Collector
from torchrl.data import Binary, Categorical, Composite, Unbounded
from torchrl.envs import EnvBase, InitTracker, TransformedEnv
from torchrl.modules import LSTMModule, ProbabilisticActor, set_recurrent_mode
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

from workloads import EPOCH_TURNS, Workload

__all__ = ["TorchRLLearner"]


class TorchRLLearner:
    """Recurrent PPO with the layers, the rollouts and the number of passes of a workload's model.

    Other settings, such as the discount, have common values; they do not affect the speed. The
    policy and the value function share the recurrent layer, which runs once for both. A minibatch
    holds complete episodes; a pass over a rollout has as many minibatches as this package's model
    makes.

    Args:
        workload: A workload with flat observations.
    """

    def __init__(self, workload: Workload) -> None:
        settings = workload.settings
        self._n_steps, self._n_epochs = settings["rollout_length"], settings["n_epochs"]
        self._n_minibatches = -(-self._n_steps // settings["batch_size"])
        hidden_size, layer_size = settings["hidden_size"], settings["layer_size"]
        encoder = nn.Sequential(nn.Linear(workload.obs_size, layer_size), nn.ReLU())
        recurrent = LSTMModule(
            input_size=layer_size, hidden_size=hidden_size, in_key="encoded", out_key="hidden"
        )
        policy_head = nn.Linear(hidden_size, workload.n_actions)
        actor = ProbabilisticActor(
            TensorDictSequential(
                [
                    TensorDictModule(encoder, in_keys=["observation"], out_keys=["encoded"]),
                    recurrent,
                    TensorDictModule(policy_head, in_keys=["hidden"], out_keys=["logits"]),
                ]
            ),
            in_keys=["logits"],
            distribution_class=torch.distributions.Categorical,
            return_log_prob=True,
        )
        # It reads what the actor has computed, so that the recurrent layer does not run twice.
        critic = TensorDictModule(
            nn.Linear(hidden_size, 1), in_keys=["hidden"], out_keys=["state_value"]
        )
        env = TransformedEnv(_FreeEnv(workload), InitTracker())
        env = env.append_transform(recurrent.make_tensordict_primer())
        self._collector = Collector(
            env, actor, frames_per_batch=self._n_steps, total_frames=-1, reset_at_each_iter=False
        )
        self._rollouts = iter(self._collector)
        self._critic = critic
        self._advantages = GAE(gamma=0.99, lmbda=0.95, value_network=None, average_gae=False)
        self._loss = ClipPPOLoss(actor, critic, loss_critic_type="l2")
        self._optimizer = torch.optim.Adam(self._loss.parameters(), fused=True)

    @property
    def n_steps(self) -> int:
        """Number of steps of a rollout."""
        return self._n_steps

    def collect(self) -> TensorDictBase:
        """Act for a rollout."""
        return next(self._rollouts)

    def update(self, rollout: TensorDictBase) -> None:
        """Make the passes over a rollout."""
        with torch.no_grad():
            self._add_values(rollout)
            self._advantages(rollout)
        episodes = rollout.reshape(-1, EPOCH_TURNS)
        for _ in range(self._n_epochs):
            order = torch.randperm(len(episodes))
            for indices in order.tensor_split(self._n_minibatches):
                self._step(episodes[indices])

    def _add_values(self, rollout: TensorDictBase) -> None:
        """Write the values of all steps; an episode's last step, its end, needs none after it."""
        values = self._critic(rollout.select("hidden"))["state_value"]
        rollout["state_value"] = values
        rollout["next", "state_value"] = torch.roll(values, -1, 0)

    def _step(self, minibatch: TensorDictBase) -> None:
        with set_recurrent_mode(True):
            losses = self._loss(minibatch)
        loss = losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._loss.parameters(), 0.5)
        self._optimizer.step()


class _FreeEnv(EnvBase):
    """An environment with precomputed observations and episodes of ``EPOCH_TURNS`` steps."""

    def __init__(self, workload: Workload) -> None:
        super().__init__(device="cpu", batch_size=torch.Size([]))
        self._observations = torch.as_tensor(
            workload.observations(1_000)[:, 0], dtype=torch.float32
        )
        self.observation_spec = Composite(observation=Unbounded(torch.Size([workload.obs_size])))
        self.action_spec = Categorical(workload.n_actions)
        self.reward_spec = Unbounded(torch.Size([1]))
        self.done_spec = Composite(
            done=Binary(1, dtype=torch.bool), terminated=Binary(1, dtype=torch.bool)
        )
        self._turn = 0

    def _reset(self, tensordict: TensorDictBase | None = None, **_: object) -> TensorDictBase:
        self._turn = 0
        return TensorDict(
            {
                "observation": self._observations[0],
                "done": torch.zeros(1, dtype=torch.bool),
                "terminated": torch.zeros(1, dtype=torch.bool),
            }
        )

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        self._turn += 1
        is_over = torch.tensor([self._turn % EPOCH_TURNS == 0])
        return TensorDict(
            {
                "observation": self._observations[self._turn],
                "reward": torch.tensor([1.0 if self._turn % 7 == 0 else 0.0]),
                "done": is_over,
                "terminated": is_over,
            }
        )

    def _set_seed(self, seed: int | None) -> None:
        """Do nothing: nothing is drawn."""
