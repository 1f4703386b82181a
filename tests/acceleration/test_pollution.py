"""The share of polluted water in cleanup equals Sorrel's."""

import pytest
from sorrel.examples.cleanup.world import CleanupWorld

from sorrel_recurrent_ppo.acceleration.pollution import measure_pollution
from support.sorrel_examples import make_environment


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
@pytest.mark.usefixtures("seeded_worlds")
def test_pollution_is_that_of_sorrel(chance):
    env = make_environment("cleanup", f"env.pollution_spawn_chance={chance}", "agent.agent.num=2")
    env.reset()
    for _ in range(3):
        found, expected = measure_pollution(env.world), CleanupWorld.measure_pollution(env.world)
        assert (found, type(found)) == (expected, type(expected))
        for cell in env.world.map.flat:
            if cell.kind in ("River", "Pollution"):
                cell.transition(env.world)


def test_a_world_without_a_river_has_none():
    env = make_environment("cleanup", "env.mode=APPLE", "agent.agent.num=1")
    found, expected = measure_pollution(env.world), CleanupWorld.measure_pollution(env.world)
    assert (found, type(found)) == (expected, type(expected)) == (0.0, float)
