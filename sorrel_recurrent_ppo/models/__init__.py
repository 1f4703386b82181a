"""The two models behind Sorrel's model interface, and their saved states.

``base`` joins policy, rollout and learner, ``building`` turns build failures into configuration
errors, ``update`` makes one update, ``reference_api`` adds the reference API, ``training_state``
and ``checkpoint`` save and restore. May import ``learning``, ``policy``, ``support``,
``config_files`` and ``errors``.

The two classes are defined here because run states and entry points refer to them as
``sorrel_recurrent_ppo.models:<name>``.
"""

from __future__ import annotations

from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.models.reference_api import DualHeadApi, SingleHeadApi

__all__ = ["DualHeadRecurrentPPO", "RecurrentPPO", "RecurrentPPOLSTM"]


class RecurrentPPOLSTM(SingleHeadApi):
    """LSTM, picture or flat observation, one action head (``lstm_ppo``).

    ``action_dims`` gives it several branches.
    """

    registry_name = "lstm_ppo"
    cell = "lstm"


class DualHeadRecurrentPPO(DualHeadApi):
    """GRU, picture or flat observation, a move and a vote head (``gru_ppo``).

    The joint action is ``move * n_vote + vote``. Without ``action_dims`` every action is a move and
    the vote has a single choice, so that the model works in any environment.
    """

    registry_name = "gru_ppo"
    cell = "gru"

    def _default_action_dims(self) -> tuple[int, ...]:
        return (self.action_space, 1)
