"""What changed in an environment's list of agents since it was last seen.

Agents are identified by object, not by position: an environment may shuffle, insert, remove and
replace agents, or put agents of another environment in. Pure functions on lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["AgentChanges", "find_changes"]


@dataclass
class AgentChanges:
    """How the agents now present relate to the ones known.

    Attributes:
        rebound: Pairs ``(known, present)`` of positions: the same agent as another object.
        replaced: Pairs ``(known, present)``: a newcomer in place of an agent that left.
        joined: Positions of present agents that are new and replace no known agent.
        left: Positions of known agents that are gone, without a successor.
    """

    rebound: list[tuple[int, int]] = field(default_factory=list)
    replaced: list[tuple[int, int]] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rebound or self.replaced or self.joined or self.left)


def find_changes(
    known: Sequence[tuple[object, object]],
    present: Sequence[tuple[object, object]],
    *,
    ignored: Sequence[object] = (),
    rebuilt: bool,
) -> AgentChanges:
    """Compare the agents known with the agents present.

    An agent that is present as the same object is unchanged, wherever it stands. Another object
    with the model of an agent that is gone is that agent. If every agent is a new object and
    ``rebuilt`` is set, they are the known agents by position. Otherwise new agents replace the ones
    that are gone: by position where both are at the same one, else in order.

    Args:
        known: Agent and model of each known agent, in the order in which they were last seen.
        present: Agent and model of each agent now present.
        ignored: Agents that belong elsewhere, be they known or present.
        rebuilt: Whether new objects only are the known agents, built again.
    """
    present_ids = {id(agent) for agent, _ in present}
    excluded = {id(agent) for agent in ignored} | {id(agent) for agent, _ in known}
    gone = [k for k, (agent, _) in enumerate(known) if id(agent) not in present_ids]
    gone = [k for k in gone if not any(known[k][0] is agent for agent in ignored)]
    new = [p for p, (agent, _) in enumerate(present) if id(agent) not in excluded]
    changes = AgentChanges()
    for p in [*new]:
        same_model = [k for k in gone if known[k][1] is present[p][1]]
        if same_model:
            changes.rebound.append((same_model[0], p))
            gone.remove(same_model[0])
            new.remove(p)
    if rebuilt and not changes.rebound and len(new) == len(present):
        pairs, into = list(zip(gone, new, strict=False)), changes.rebound
    else:
        aligned = [(k, k) for k in gone if k in new]
        rest_gone = [k for k in gone if (k, k) not in aligned]
        rest_new = [p for p in new if (p, p) not in aligned]
        pairs = [*aligned, *zip(rest_gone, rest_new, strict=False)]
        into = changes.replaced
    into += pairs
    changes.left = [k for k in gone if k not in {k for k, _ in pairs}]
    changes.joined = [p for p in new if p not in {p for _, p in pairs}]
    return changes
