"""Networks within operators that see the whole image, tile by tile."""

import pytest
import torch
from torch.nn.functional import pad

from imgtk.registry import default
from imgtk_restore.tiles import in_tiles


@pytest.mark.parametrize("size", [(700, 31), (1, 1), (513, 515)])
def test_tiles_do_not_show(network_file, size):
    op = default().build("restore:denoise", model=str(network_file))
    op.to(torch.device("cpu"), torch.float32)
    x = torch.rand(1, 3, *size)
    with torch.inference_mode():
        tiled = in_tiles(op, x, op.geometry.multiple, op.geometry.halo)
        right, bottom = (-side % op.geometry.multiple for side in (size[1], size[0]))
        whole = op(pad(x, (0, right, 0, bottom), mode="replicate"))[..., : size[0], : size[1]]
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_only_what_is_wanted_is_computed():
    wanted = torch.zeros(1, 1, 600, 1100, dtype=torch.bool)
    wanted[..., 550, 1099] = True
    shapes = []

    def inverted(x):
        shapes.append(tuple(x.shape))
        return 1 - x[:, :3]

    x = torch.rand(1, 5, 600, 1100)
    result = in_tiles(inverted, x, 4, 6, wanted)
    assert shapes == [(1, 5, 600 - 512 + 8, 1100 - 1024 + 8)]
    assert torch.equal(result[..., 512:, 1024:], 1 - x[:, :3, 512:, 1024:])
    assert torch.equal(result[..., :512, :], x[:, :3, :512])
