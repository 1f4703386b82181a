"""Kernels for CPUs that are faster than PyTorch's own, and equal to them up to rounding.

``matmul`` chooses the library of a matrix product, ``linear`` and ``gru_sequence`` are layers on
top of it, ``malloc`` keeps freed memory in the process. May import ``support`` and ``errors``.
"""
