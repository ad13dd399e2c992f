import numpy as np
import pytest

from smile_jax.mesh import dynamic_image, rank_pooling_weights


def test_weights_of_five_frames():
    np.testing.assert_allclose(
        rank_pooling_weights(5), [-3.7, 0.3, 1.3, 1.3, 0.8], atol=1e-6
    )


@pytest.mark.parametrize("frames", [2, 3, 24, 100])
def test_weights_sum_to_zero(frames):
    assert abs(rank_pooling_weights(frames).sum()) < 1e-4


def test_what_stands_still_vanishes_and_what_moves_does_not(rng):
    still = rng.uniform(size=(8, 8))
    np.testing.assert_allclose(dynamic_image(np.stack([still] * 6)), 0.5, atol=1e-6)
    moving = np.stack([still] * 6)
    moving[3:, 2, 2] = 1 - moving[3:, 2, 2]
    image = dynamic_image(moving)
    assert abs(image[2, 2] - 0.5) > 0.05
    assert image.min() >= 0 and image.max() <= 1


def test_one_frame_is_returned_as_it_is(rng):
    frame = rng.uniform(size=(1, 4, 4))
    np.testing.assert_allclose(dynamic_image(frame), frame[0], atol=1e-7)


def test_no_frames():
    with pytest.raises(ValueError, match="at least 1"):
        rank_pooling_weights(0)
