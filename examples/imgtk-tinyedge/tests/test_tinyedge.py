import torch
from imgtk_tinyedge.trainer import sobel

from imgtk.registry import default
from imgtk.testing import check_op, check_plugin, check_trainer, sample_image


def test_the_package() -> None:
    check_plugin("imgtk-tinyedge")


def test_the_operator() -> None:
    check_op("edges:tiny")


def test_the_trainer() -> None:
    check_trainer("edges:tiny")


def test_the_weights_find_edges() -> None:
    x, op = sample_image(80, 60), default().build("edges:tiny")
    op.to(torch.device("cpu"), torch.float32)
    with torch.no_grad():
        assert (op(x) - sobel(x)).abs().mean() < 0.02
