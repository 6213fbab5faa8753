import pytest

from imgtk.errors import WeightsError
from imgtk.weights import Card

CARD = Card(
    name="tiny-x4",
    summary='Quotes ", backslashes \\, tabs\t, newlines\n, DEL \x7f, ümlauts and 🙂',
    architecture="RRDBNet, 1 block",
    licence="Apache-2.0",
    trained="10 iterations, from random weights, on two CPU cores.",
    data=("photos (CC0)", "paintings [public domain]"),
    recipe="tiny-x4",
    scale=4,
    scores={"Set5": {"psnr_y": 31.25, "ssim_y": 0.875}, 'odd "name"': {"kid": 1e-9}},
    sha256="ab" * 32,
)


def test_toml_gives_the_card_back(tmp_path):
    path = tmp_path / "tiny.toml"
    for card in (CARD, Card("a", "b", "c", "d", "e")):
        path.write_text(card.toml(), encoding="utf-8")
        assert Card.read(path) == card


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name = ", "Invalid value"),
        (b"", "name"),
        (CARD.toml().replace("scale = 4", 'scale = "4"').encode(), "$.scale"),
        (CARD.toml().replace("31.25", '"high"').encode(), "Expected `float`, got `str` - at `$.scores"),
        (b"colour = 1\n" + CARD.toml().encode(), "unknown key 'colour'"),
        (b"\x00\xff", "utf-8"),
    ],
    ids=["no TOML", "empty", "wrong type", "wrong score", "unknown key", "binary"],
)
def test_what_is_no_card_is_refused_by_name_and_reason(tmp_path, content, reason):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.toml") as caught:
        Card.read(path)
    assert reason in caught.value.message


def test_a_missing_card(tmp_path):
    with pytest.raises(WeightsError, match="No such file"):
        Card.read(tmp_path / "none.toml")


def test_what_is_empty_is_left_out(tmp_path):
    path = tmp_path / "bare.toml"
    bare = Card("bare", "", "a network", "1 iteration", "bare")
    path.write_text(bare.toml(), encoding="utf-8")
    assert not {"summary", "data", "scale", "sha256"} & {line.split()[0] for line in bare.toml().splitlines()}
    assert Card.read(path) == bare
