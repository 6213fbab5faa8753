"""The table of public weights."""

import re
from urllib.parse import urlsplit

from imgtk.registry import default
from imgtk.weights.store import SUFFIXES, shipped


def test_rows_are_well_formed_and_different():
    models = list(default().brought("imgtk_public_weights").values())
    assert len({model.name for model in models}) == len({model.file for model in models}) == len(models)
    architectures = {architecture.name for architecture in default().architectures}
    for model in models:
        address = urlsplit(model.url)
        assert address.scheme == "https"
        assert address.path.endswith(SUFFIXES)
        assert model.file == address.path.rpartition("/")[2]
        assert model.architecture in architectures
        assert model.scale in (1, 2, 4)
        assert model.licence
        assert model.summary.endswith(".")
        assert re.fullmatch(r"([0-9a-f]{64})?", model.sha256)


def test_files_named_by_their_hash_have_it():
    (named,) = [model for model in default().brought("imgtk_public_weights").values() if "-ff704c30." in model.file]
    assert named.sha256.startswith("ff704c30")


def test_no_shipped_weights_have_a_public_name():
    ours = {card.name for package in ("imgtk_esrgan", "imgtk_srgan") for card in shipped(package)}
    assert not ours & {model.name for model in default().brought("imgtk_public_weights").values()}
