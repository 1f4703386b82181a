"""Recording the epochs of a run: CSV, TensorBoard, wandb, terminal and learning curve.

``epoch_records`` defines the record of an epoch and the interface of a sink, ``run_logging`` the
logger that passes records to sinks. The other modules contain the sinks.
"""
