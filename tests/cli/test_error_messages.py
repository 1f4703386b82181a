"""Messages for errors that a user can fix."""

import errno

from sorrel_recurrent_ppo.cli.error_messages import user_message
from sorrel_recurrent_ppo.errors import NumericalError


def test_user_message_covers_disks_and_numbers_but_no_bugs():
    assert user_message(NumericalError("agent 0: a weight is not finite")) == (
        "agent 0: a weight is not finite"
    )
    full = OSError(errno.ENOSPC, "No space left on device")
    assert user_message(full) == "a file could not be used: No space left on device"
    full.filename = "run/metrics.csv"
    assert user_message(full) == "run/metrics.csv could not be used: No space left on device"
    invalid = OSError(errno.EINVAL, "The filename syntax is incorrect", "runs/a:b")
    assert user_message(invalid) is None
    setattr(invalid, "winerror", 123)  # noqa: B010 - only Windows has the attribute
    assert user_message(invalid) == "runs/a:b could not be used: The filename syntax is incorrect"
    assert user_message(OSError(errno.EBADF, "Bad file descriptor")) is None
    assert user_message(RuntimeError("a bug")) is None
