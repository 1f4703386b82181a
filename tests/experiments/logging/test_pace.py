"""The speed of a run and its remaining time."""

from sorrel_recurrent_ppo.experiments.logging.pace import Pace
from support.progress_display import record


def test_pace_follows_the_latest_fifty_epochs():
    pace = Pace(199)
    assert (pace.fps, pace.time_left) == (0.0, None)
    for epoch in range(50):
        pace.add(record(epoch, seconds=10.0))
    for epoch in range(50, 100):
        pace.add(record(epoch, seconds=1.0))
    assert pace.fps == 100.0
    assert str(pace.time_left) == "0:01:40"
