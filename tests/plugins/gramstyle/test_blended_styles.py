"""Styles between styles: `style:a+b`."""

import pytest
import torch

from imgtk import Pipeline
from imgtk.errors import ParameterError, PipelineError
from imgtk.registry import default
from imgtk.testing import sample_image


def build(name, **params):
    op = default().build(f"style:{name}", **params)
    op.to(torch.device("cpu"), torch.float32)
    return op


@torch.inference_mode()
def test_the_shares_decide():
    x = sample_image(64, 48)
    one, other = (build(name, scale=1)(x) for name in ("monet", "great-wave"))
    torch.testing.assert_close(build("monet+great-wave", mix=0)(x), one)
    torch.testing.assert_close(build("monet+great-wave", mix=1)(x), other)
    between = build("monet+great-wave", mix=0.5)(x)
    assert (between - one).abs().mean() > 0.02
    assert (between - other).abs().mean() > 0.02
    torch.testing.assert_close(build("monet+great-wave")(x), between)
    torch.testing.assert_close(build("great-wave+monet")(x), between, atol=1e-4, rtol=1e-3)


def test_shares_of_three():
    op = build("monet+great-wave+starry-night", mix="0.2,0.3")
    assert op.shares == pytest.approx([0.5, 0.2, 0.3])
    assert op.summary()["weights"] == "0.5 monet + 0.2 great-wave + 0.3 starry-night"
    assert len(op.weight_files) == 3


@pytest.mark.parametrize("mix", ["0.5,0.5", "1.5", "-0.1"])
def test_shares_that_do_not_fit(mix):
    with pytest.raises(ParameterError, match="mix"):
        build("monet+great-wave", mix=mix)
    with pytest.raises(ParameterError, match="up to 1 together"):
        build("monet+great-wave+starry-night", mix="0.6,0.6")


def test_texts_and_documents_keep_them():
    pipeline = Pipeline("style:monet+great-wave 0.5 mix=0.3 | style:monet")
    assert str(pipeline) == "style:monet+great-wave mix=0.3 0.5 | style:monet"
    assert Pipeline(str(pipeline)).graph == pipeline.graph
    assert Pipeline.from_yaml(pipeline.yaml()).graph == pipeline.graph
    assert "plugin: imgtk" in pipeline.yaml()


def test_unknown_styles_are_pointed_at():
    with pytest.raises(PipelineError, match="unknown operator 'style:monte'") as error:
        Pipeline("style:great-wave+monte mix=0.3")
    assert "Did you mean style:monet" in str(error.value)
    assert "^^^^" in str(error.value)


@pytest.mark.parametrize("name", ["monet+gram", "gram+monet", "monet+fast"])
def test_what_is_no_network_of_a_style_is_refused(name):
    with pytest.raises(PipelineError, match="cannot be blended"):
        Pipeline(f"style:{name}")
