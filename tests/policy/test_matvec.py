"""The choice of numpy's product of a large weight and a vector."""

import numpy as np
import pytest

from sorrel_recurrent_ppo.policy.cpu import matvec
from sorrel_recurrent_ppo.policy.cpu.matvec import (
    LARGE_MATVECS,
    chosen_large_matvec,
    large_matvec,
    using_large_matvec,
)

LARGE = np.ones((1000, 200), np.float32)


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    monkeypatch.setattr(matvec, "_chosen", None)


def slow(product):
    def multiply(weight, vector, out):
        for _ in range(4):
            product(weight, vector, out=out)

    return multiply


@pytest.mark.parametrize("name", LARGE_MATVECS)
def test_methods_equal_the_product(name):
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(7, 5)).astype(np.float32)
    vector, out = rng.normal(size=5).astype(np.float32), np.empty(7, np.float32)
    LARGE_MATVECS[name](weight, vector, out=out)
    assert out == pytest.approx(weight @ vector, abs=1e-6)


@pytest.mark.parametrize(("slower", "chosen"), [("dot", "vecdot"), ("vecdot", "dot")])
def test_the_clearly_faster_method_is_chosen(slower, chosen, monkeypatch):
    methods = {name: slow(np.dot) if name == slower else np.dot for name in LARGE_MATVECS}
    monkeypatch.setattr(matvec, "LARGE_MATVECS", methods)
    assert large_matvec() == chosen
    assert matvec.matvec(LARGE) is methods[chosen]


def test_equally_fast_methods_give_the_same_choice_every_time(monkeypatch):
    monkeypatch.setattr(matvec, "LARGE_MATVECS", {"dot": np.dot, "vecdot": np.dot})
    assert {matvec._measure() for _ in range(5)} == {"dot"}


def test_the_choice_is_made_once_and_only_for_large_weights(monkeypatch):
    measured = []
    monkeypatch.setattr(matvec, "_measure", lambda: measured.append(1) or "vecdot")
    assert matvec.matvec(LARGE[:10]) is np.dot
    assert chosen_large_matvec() is None
    assert matvec.matvec(LARGE) is np.vecdot
    assert matvec.matvec(LARGE) is np.vecdot
    assert (len(measured), chosen_large_matvec()) == (1, "vecdot")


@pytest.mark.parametrize("name", LARGE_MATVECS)
def test_a_stored_choice_holds_in_its_block_only(name):
    with using_large_matvec(name):
        assert large_matvec() == name
    assert chosen_large_matvec() is None


def test_no_stored_choice_leaves_it_to_the_machine(monkeypatch):
    monkeypatch.setattr(matvec, "_measure", lambda: "dot")
    with using_large_matvec(None):
        assert large_matvec() == "dot"
    assert chosen_large_matvec() is None


def test_no_stored_choice_does_not_depend_on_earlier_runs(monkeypatch):
    monkeypatch.setattr(matvec, "_chosen", "vecdot")
    with using_large_matvec(None):
        assert chosen_large_matvec() is None
    assert chosen_large_matvec() == "vecdot"
