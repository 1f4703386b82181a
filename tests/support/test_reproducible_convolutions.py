"""The flags for reproducible convolutions; they can be read and set without a GPU."""

import pytest
import torch

from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO
from sorrel_recurrent_ppo.support.reproducible_convolutions import reproducible_convolutions

CUDNN = torch.backends.cudnn


def flags():
    return CUDNN.deterministic, CUDNN.benchmark


def test_flags_are_set_within_the_outermost_block_and_restored(monkeypatch):
    monkeypatch.setattr(CUDNN, "deterministic", False)
    monkeypatch.setattr(CUDNN, "benchmark", True)
    with reproducible_convolutions(torch.device("cuda")):
        with (
            pytest.raises(ValueError, match="fails"),
            reproducible_convolutions(torch.device("cuda")),
        ):
            raise ValueError("fails")
        assert flags() == (True, False)  # another model may still be training
    assert flags() == (False, True)


def test_other_devices_leave_the_flags_alone():
    before = flags()
    with reproducible_convolutions(torch.device("cpu")):
        assert flags() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_training_on_pictures_is_reproducible_on_a_gpu():
    def trained():
        settings = {"rollout_length": 20, "sequence_length": 5, "hidden_size": 32}
        model = DualHeadRecurrentPPO((3, 7, 7), 5, seed=1, device="cuda", **settings)
        generator = torch.Generator().manual_seed(0)
        for _ in range(60):
            model.take_action(torch.rand(147, generator=generator).numpy())
            model.add_memory_ppo(1.0, False)
            model.train_step()
        return [weight.cpu() for weight in model.policy.parameters()]

    for one, other in zip(trained(), trained(), strict=True):
        assert torch.equal(one, other)
