"""`ColouriseNet`, on features."""

import torch

from imgtk.nn.features import load_features
from imgtk_restore.colour_network import ColouriseNet, Colouriser, seen


def test_colours_have_an_eighth_of_the_size():
    features = load_features()
    x = torch.rand(2, 1, 48, 80, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)
    eighth, sixteenth = seen(features, x)
    assert (eighth.shape[2:], sixteenth.shape[2:]) == ((6, 10), (3, 5))
    network = ColouriseNet(8)
    colours = Colouriser(features, network)(x)
    assert colours.shape == (2, 2, 6, 10)
    assert torch.equal(Colouriser(features, network)(x), colours), "features are left out where nothing is trained"


def test_what_is_far_away_counts():
    torch.manual_seed(0)
    network = ColouriseNet(8).eval()
    eighth, sixteenth = torch.rand(1, 256, 4, 80), torch.rand(1, 384, 2, 40)
    other = sixteenth.clone()
    other[..., 30:] += 1
    with torch.no_grad():
        change = (network(eighth, other) - network(eighth, sixteenth)).abs()
    assert change[..., :20].mean() > 1e-4
    assert change[..., 60:].mean() > change[..., :20].mean()
