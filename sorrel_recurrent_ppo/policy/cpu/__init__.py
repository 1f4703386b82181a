"""CPU kernels that are faster than PyTorch's own and equal to them up to rounding.

``matmul`` selects the library of a matrix product, ``linear`` and ``gru_sequence`` are layers
built on it, ``malloc`` keeps freed memory in the process, ``switch`` turns all of them off. May
import ``support`` and ``errors``.
"""
