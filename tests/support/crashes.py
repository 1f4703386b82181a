"""The simulated end of a process in the middle of a run; see the fixture ``crash_at``."""


class Crash(Exception):
    """Simulates the end of a process."""
