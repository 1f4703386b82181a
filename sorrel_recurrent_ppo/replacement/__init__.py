"""Replacing agents in the middle of an experiment.

``selection`` chooses agents, ``schedule`` says when and by which model, ``newcomers`` builds
models, ``replace`` puts them in, ``apply_schedule`` does so in a running experiment. May import
``population``, ``registry``, ``models`` and what is below them.
"""

from __future__ import annotations

from sorrel_recurrent_ppo.replacement.replace import replace_agent
from sorrel_recurrent_ppo.replacement.selection import select_agents

__all__ = ["replace_agent", "select_agents"]
