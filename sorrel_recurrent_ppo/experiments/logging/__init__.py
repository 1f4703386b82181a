"""Recording the epochs of a run: CSV, TensorBoard, wandb, terminal and learning curve.

``run_logging`` defines the epoch record and the logger that passes it to sinks; the other modules
contain the sinks.
"""
