"""The search for patches."""

import torch
from torch import Generator

from imgtk.geometry import Box
from imgtk_restore.patches import REACH, PatchSearch


def checkers(height, width):
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((rows // 4 + columns // 4) % 2).float().expand(1, 3, height, width)


def test_what_repeats_is_found_exactly():
    image, known = checkers(40, 60), Box(0, 0, 40, 40)
    search = PatchSearch(known, None, image, Generator().manual_seed(0))
    for _ in range(4):
        search.search(image, 16)
    result = search.mean(image, 4)
    torch.testing.assert_close(result[..., 40:], image[..., 40:], atol=1e-3, rtol=0)


def test_finds_are_all_known_and_only_get_better():
    image, known = torch.rand(1, 3, 30, 45, generator=Generator().manual_seed(0)), Box(8, 3, 40, 28)
    search = PatchSearch(known, None, image, Generator().manual_seed(0))
    costs = []
    for _ in range(3):
        search.search(image, 12)
        costs.append(search.costs.mean().item())
        assert ((search.finds >= torch.tensor([3, 8]) + REACH) & (search.finds < torch.tensor([28, 40]) - REACH)).all()
    assert costs[0] > costs[1] > costs[2]


def test_moves_are_where_to_look_first():
    image, known = torch.rand(1, 3, 30, 45, generator=Generator().manual_seed(0)), Box(0, 0, 30, 30)
    search = PatchSearch(known, None, image, Generator().manual_seed(0))
    again = PatchSearch(known, search.moves, image, Generator().manual_seed(1))
    assert torch.equal(again.finds, search.finds)


def test_unknown_pixels_do_not_matter():
    image, known = torch.rand(1, 3, 30, 45, generator=Generator().manual_seed(0)), Box(0, 0, 30, 30)
    search = PatchSearch(known, None, image, Generator().manual_seed(0))
    search.search(image, 12)
    other = image.clone()
    other[..., 30:] = 9
    assert torch.equal(search.mean(image, 1), search.mean(other, 1))
