import pytest
import torch

from imgtk.nn.losses import (
    content_distance,
    gram,
    gram_distance,
    grams,
    grid,
    texture_distance,
    total_variation,
)


def test_gram_is_the_definition():
    x = torch.rand(2, 3, 4, 5)
    expected = torch.einsum("nchw,ndhw->ncd", x, x) / (3 * 4 * 5)
    torch.testing.assert_close(gram(x), expected)
    assert torch.equal(gram(x), gram(x).transpose(1, 2))


def test_gram_does_not_see_where_things_are():
    x = torch.rand(1, 8, 6, 6)
    shuffled = x.flatten(2)[:, :, torch.randperm(36)].view_as(x)
    torch.testing.assert_close(gram(x), gram(shuffled))


def test_gram_does_not_see_how_large_the_image_is():
    x = torch.rand(1, 4, 5, 5)
    torch.testing.assert_close(gram(x), gram(x.repeat(1, 1, 2, 3)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gram_is_float32_under_autocast_and_for_half_precision(dtype):
    x = torch.full((1, 2, 300, 300), 60.0, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        result = gram(x)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, torch.full((1, 2, 2), 1800.0))


def test_gram_distance_is_zero_for_equals_and_relative_to_the_style():
    style = grams({"a": torch.rand(1, 4, 8, 8), "b": torch.rand(1, 6, 4, 4)})
    assert gram_distance(style, style) == 0
    nothing = {layer: torch.zeros_like(value) for layer, value in style.items()}
    torch.testing.assert_close(gram_distance(nothing, style), torch.tensor(1.0))
    scaled = [{layer: factor * value for layer, value in style.items()} for factor in (1e-4, 1.0)]
    other = grams({"a": torch.rand(1, 4, 8, 8), "b": torch.rand(1, 6, 4, 4)})
    small = {layer: 1e-4 * value for layer, value in other.items()}
    torch.testing.assert_close(gram_distance(small, scaled[0]), gram_distance(other, scaled[1]))


def test_gram_distance_compares_many_images_with_one_style():
    style = {"a": torch.rand(1, 4, 4)}
    ours = {"a": torch.rand(3, 4, 4)}
    each = [gram_distance({"a": image[None]}, style) for image in ours["a"]]
    torch.testing.assert_close(gram_distance(ours, style), torch.stack(each).mean())


def test_content_distance():
    x = {"a": torch.rand(1, 4, 8, 8)}
    assert content_distance(x, x) == 0
    torch.testing.assert_close(content_distance({"a": torch.zeros(1, 4, 8, 8)}, x), torch.tensor(1.0))
    assert content_distance(x, {"a": torch.zeros(1, 4, 8, 8)}).isfinite()


def test_total_variation():
    assert total_variation(torch.full((1, 3, 5, 7), 0.3)) == 0
    ramp = torch.arange(8.0).expand(1, 3, 6, 8)
    torch.testing.assert_close(total_variation(ramp), torch.tensor(1.0))
    torch.testing.assert_close(total_variation(ramp.transpose(2, 3)), torch.tensor(1.0))


def test_a_grid_is_seen_in_any_image_and_none_where_there_is_none():
    torch.manual_seed(0)
    noise = torch.rand(2, 3, 130, 131)
    waves = torch.linspace(0, 50, 131).sin().expand(2, 3, 130, 131)
    pattern = torch.rand(4, 4).repeat(33, 33)[:130, :131]
    for image in (noise, 0.3 * waves + 0.1 * noise):
        assert grid(image, 4) < 0.03
        assert grid(image + pattern, 4) > 10 * grid(image, 4)
    corner = 0.02 * torch.cat([pattern[:, :64], torch.zeros(130, 67)], 1)  # faint, and beside what is not flat
    assert grid(0.5 + corner + noise * torch.cat([torch.zeros(64), torch.ones(67)]), 4) > 0.3
    stairs = torch.nn.functional.interpolate(torch.rand(1, 3, 33, 33), scale_factor=4)  # no common pattern, but edges
    assert grid(stairs, 4) > 1


def test_flat_images_have_no_grid_and_finite_gradients():
    flat = torch.full((1, 3, 40, 40), 0.5, requires_grad=True)
    found = grid(flat, 4)
    found.backward()
    assert found == 0
    assert torch.isfinite(flat.grad).all()


def test_textures_are_near_where_they_are_of_one_kind():
    torch.manual_seed(0)
    noise, other = 0.5 + 0.05 * torch.randn(2, 1, 3, 128, 96)
    rows, columns = torch.arange(128.0)[:, None], torch.arange(96.0)
    hatch = (0.5 + 0.07 * torch.sin(2.1 * rows + 1.3 * columns)).expand(1, 3, 128, 96)  # as strong as the noise
    kind = texture_distance(noise, other)
    assert texture_distance(noise, noise) == 0
    assert kind < 0.6 * texture_distance(noise, hatch)
    assert kind < 0.6 * texture_distance(noise, noise.mean((2, 3), keepdim=True).expand_as(noise))


def test_textures_of_flat_images_have_finite_gradients():
    flat = torch.full((1, 3, 48, 48), 0.5, requires_grad=True)
    texture_distance(flat, torch.rand(1, 3, 48, 48)).backward()
    assert torch.isfinite(flat.grad).all()
