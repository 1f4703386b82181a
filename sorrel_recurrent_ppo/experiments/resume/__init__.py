"""Saving a run between two epochs, and resuming it bit for bit.

``run_state`` says what a run's state is, ``object_state`` and ``plain_values`` turn live objects
into plain data and back, ``run_checkpoints`` saves, ``resumed_config`` handles ``resume=RUN_DIR``,
``fast_forward`` brings Sorrel's loop to the epoch to resume from.
"""
