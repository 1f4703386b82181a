"""Recording the epochs of a run: CSV, TensorBoard, wandb, terminal and learning curve.

``run_logging`` has the record of an epoch and the logger that hands it to sinks; the other modules
are sinks and what they show.
"""
