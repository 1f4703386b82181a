import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.policy.cpu import matmul
from sorrel_recurrent_ppo.policy.cpu.matmul import linear, small_batch_matmul, supports_onednn


def drawn(*shape, dtype=torch.float32):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


def test_onednn_takes_single_precision_wherever_pytorch_has_it():
    x, weight = drawn(2, 3), drawn(4, 3)
    assert supports_onednn(x, weight) == torch.backends.mkldnn.is_available()
    assert not supports_onednn(x.double(), weight.double())


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 5, 7), (200, 60, 90), (0, 4, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_product_is_torchs(sizes, dtype):
    rows, inner, columns = sizes
    x, weight = drawn(rows, inner, dtype=dtype), drawn(columns, inner, dtype=dtype)
    bias = drawn(columns, dtype=dtype)
    torch.testing.assert_close(linear(x, weight), x @ weight.t(), rtol=1e-4, atol=1e-4)
    expected = x @ weight.t() + bias
    torch.testing.assert_close(linear(x, weight, bias), expected, rtol=1e-4, atol=1e-4)


def test_a_product_of_views_is_that_of_what_they_show():
    whole = drawn(8, 12)
    x, weight = whole[::2, 1:6].t(), whole[1:, ::3].t()[:, ::2]
    torch.testing.assert_close(linear(x, weight), x @ weight.t())


@pytest.mark.parametrize("wide", [True, False], ids=["by numpy", "by torch"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_rows", [1, 2, 5, 33])
def test_a_product_of_few_rows_lands_in_the_array(wide, dtype, n_rows, monkeypatch):
    monkeypatch.setattr(matmul, "numpy_has_wide_kernels", lambda: wide)
    rng = np.random.default_rng(1)
    x, weight = rng.normal(size=(n_rows, 6)).astype(dtype), rng.normal(size=(9, 6)).astype(dtype)
    out = np.full((n_rows, 9), np.nan, dtype)
    small_batch_matmul(weight.T)(x, out)
    np.testing.assert_allclose(out, x @ weight.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "wide"), [("SkylakeX", True), ("Cooperlake", True), ("Haswell", False)]
)
def test_the_library_for_few_rows_goes_by_openblas_kernels(architecture, wide, monkeypatch):
    loaded = [{"user_api": "openmp"}, {"user_api": "blas", "architecture": architecture}]
    monkeypatch.setattr(matmul, "threadpool_info", lambda: loaded)
    assert matmul.numpy_has_wide_kernels.__wrapped__() is wide
