"""The encoders: the layers of a picture and the order of its values."""

import torch

from sorrel_recurrent_ppo.policy.encoders import PictureEncoder, build_encoder
from sorrel_recurrent_ppo.policy.observations import ObservationLayout


def test_picture_encoder_reads_pictures_in_c_order():
    with torch.random.fork_rng():
        torch.manual_seed(7)
        encoder = build_encoder(ObservationLayout(2 * 3 * 5 + 3, (2, 3, 5)), 41)
        obs = torch.randn(1, 33)
    assert isinstance(encoder, PictureEncoder)
    picture = obs[:, :30].reshape(1, 2, 3, 5)
    x = torch.relu(encoder.conv2(torch.relu(encoder.conv1(picture)))).reshape(1, -1)
    expected = torch.cat((torch.relu(encoder.linear(x)), obs[:, 30:]), dim=1)
    torch.testing.assert_close(encoder(obs), expected)
    assert (encoder.conv1.out_channels, encoder.conv2.out_channels) == (32, 64)
    assert encoder.conv1.kernel_size == encoder.conv2.kernel_size == (3, 3)
