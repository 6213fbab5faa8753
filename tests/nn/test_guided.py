"""The guided filter, and the lines that it fits."""

import numpy as np

from imgtk.nn.guided import guided_filter, guided_lines


def test_a_step_of_the_guide_stays_and_noise_goes() -> None:
    guide = np.zeros((20, 40), np.float32)
    guide[:, 20:] = 1
    noisy = guide + 0.1 * np.random.default_rng(0).standard_normal(guide.shape).astype(np.float32)
    found = guided_filter(guide, noisy, 4, 1e-4)
    assert np.abs(found - guide).max() < 0.08
    assert np.abs(found - guide).std() < 0.3 * np.abs(noisy - guide).std()


def test_lines_of_a_small_guide_give_the_edges_of_a_large_one() -> None:
    large = np.zeros((40, 80), np.float32)
    large[:, 41:] = 1
    small = large.reshape(10, 4, 20, 4).mean((1, 3))
    image = 3 - 2 * small
    slope, offset = (values.repeat(4, 0).repeat(4, 1) for values in guided_lines(small, image, 2, 1e-4))
    assert np.abs(slope * large + offset - (3 - 2 * large))[:, 30:50].max() < 0.02
