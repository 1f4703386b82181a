"""Matrix products by oneDNN, numpy and PyTorch."""

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.policy.cpu import matmul
from sorrel_recurrent_ppo.policy.cpu.matmul import linear, small_batch_matmul, supports_onednn


def random_matrix(*shape, dtype=torch.float32):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


def test_supports_onednn_in_single_precision_if_available():
    x, weight = random_matrix(2, 3), random_matrix(4, 3)
    assert supports_onednn(x, weight) == torch.backends.mkldnn.is_available()
    assert not supports_onednn(x.double(), weight.double())


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 5, 7), (200, 60, 90), (0, 4, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_linear_matches_torch(sizes, dtype):
    rows, inner, columns = sizes
    x, weight = random_matrix(rows, inner, dtype=dtype), random_matrix(columns, inner, dtype=dtype)
    bias = random_matrix(columns, dtype=dtype)
    torch.testing.assert_close(linear(x, weight), x @ weight.t(), rtol=1e-4, atol=1e-4)
    expected = x @ weight.t() + bias
    torch.testing.assert_close(linear(x, weight, bias), expected, rtol=1e-4, atol=1e-4)


def test_linear_accepts_views():
    matrix = random_matrix(8, 12)
    x, weight = matrix[::2, 1:6].t(), matrix[1:, ::3].t()[:, ::2]
    torch.testing.assert_close(linear(x, weight), x @ weight.t())


@pytest.mark.parametrize("wide", [True, False], ids=["numpy", "torch"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_rows", [1, 2, 5, 33])
def test_small_batch_matmul_writes_into_out(wide, dtype, n_rows, monkeypatch):
    monkeypatch.setattr(matmul, "numpy_has_wide_kernels", lambda: wide)
    rng = np.random.default_rng(1)
    x, weight = rng.normal(size=(n_rows, 6)).astype(dtype), rng.normal(size=(9, 6)).astype(dtype)
    out = np.full((n_rows, 9), np.nan, dtype)
    small_batch_matmul(weight.T)(x, out)
    np.testing.assert_allclose(out, x @ weight.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "wide"), [("SkylakeX", True), ("Cooperlake", True), ("Haswell", False)]
)
def test_wide_kernels_follow_openblas_architecture(architecture, wide, monkeypatch):
    loaded = [{"user_api": "openmp"}, {"user_api": "blas", "architecture": architecture}]
    monkeypatch.setattr(matmul, "threadpool_info", lambda: loaded)
    assert matmul.numpy_has_wide_kernels.__wrapped__() is wide
