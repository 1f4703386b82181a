"""Saving a run between two epochs, and resuming it bit for bit.

``run_state`` defines the state of a run. ``object_capture`` and ``object_restore`` convert live
objects to plain data and back, ``plain_values`` single values. ``run_checkpoints`` saves,
``resumed_config`` handles ``resume=RUN_DIR``, ``fast_forward`` skips the completed epochs.
"""
