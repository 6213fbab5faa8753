import socket
from hashlib import sha256

import pytest

from imgtk.errors import UsageError, WeightsError
from imgtk.weights import download as module
from imgtk.weights.download import download, place

CONTENT = bytes(range(256)) * 2000
HASH = sha256(CONTENT).hexdigest()


def left(store):
    return [path.name for path in store.rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once(store, server):
    url = server.serve("/net.pth", CONTENT)
    for expected in ("", HASH, HASH.upper()):
        path = download(url, expected)
        assert path == place(url)
        assert path.read_bytes() == CONTENT
    assert server.asked == ["/net.pth"]
    assert left(store) == [path.name]


def test_progress_ends_with_all_bytes(store, server):
    told = []
    download(server.serve("/net.pth", CONTENT), report=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert sorted(told) == told
    assert len(told) > 2


def test_each_address_has_its_place(store):
    addresses = [f"http://{host}/{name}" for host in "ab" for name in ("net.pth", "net.pth?v=2", "", "%2e%2e/x y")]
    places = {place(url) for url in addresses}
    assert len(places) == len(addresses)
    assert {path.parent for path in places} == {store / "downloads"}
    assert place(addresses[0], "RealESRGAN_x4plus.pth") == store / "downloads" / "RealESRGAN_x4plus.pth"


def test_redirects_are_followed(store, server):
    server.serve("/real.pth", CONTENT)
    url = server.redirect("/latest", "/real.pth")
    assert download(url).read_bytes() == CONTENT
    with pytest.raises(WeightsError, match="without end"):
        download(server.redirect("/circle", "/circle"))


def test_a_proxy_of_the_environment_is_asked(store, server, monkeypatch):
    url = "http://weights.invalid/net.pth"
    server.serve(url, CONTENT)  # a proxy is asked for whole addresses
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    assert download(url, HASH).read_bytes() == CONTENT
    assert server.asked == [url]


@pytest.mark.parametrize("claimed", [len(CONTENT) + 1, 10**12], ids=["a byte", "a terabyte"])
def test_an_interrupted_download_leaves_nothing_and_can_be_given_again(store, server, claimed):
    url = server.serve("/net.pth", CONTENT, length=claimed)
    with pytest.raises(WeightsError, match="the connection broke off") as caught:
        download(url)
    assert left(store) == []
    assert url in caught.value.message
    assert f"put it at {place(url)}" in caught.value.hint
    server.serve("/net.pth", CONTENT)
    assert download(url).read_bytes() == CONTENT


def test_interrupted_by_the_user(store, server):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.serve("/net.pth", CONTENT), report=interrupt)
    assert left(store) == []


def test_a_wrong_hash_is_not_kept(store, server):
    url = server.serve("/net.pth", CONTENT)
    with pytest.raises(WeightsError, match=f"{HASH}, not {'0' * 64}") as caught:
        download(url, "0" * 64)
    assert url in caught.value.message
    assert left(store) == []


def test_a_file_put_there_by_hand_is_taken_if_it_is_the_right_one(store, server):
    url = server.url + "/gone.pth"
    place(url).parent.mkdir(parents=True)
    place(url).write_bytes(CONTENT)
    assert download(url, HASH) == place(url)
    assert server.asked == []
    place(url).write_bytes(b"something else")
    with pytest.raises(WeightsError, match="404") as caught:
        download(url, HASH)
    assert "has another SHA-256 than expected" in caught.value.hint
    assert place(url).read_bytes() == b"something else"


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_what_can_go_wrong_is_said_with_what_to_do(store, server, monkeypatch):
    def fails(url, reason):
        with pytest.raises(WeightsError) as caught:
            download(url)
        assert caught.value.message == f"cannot download {url}: {reason}"
        assert caught.value.hint.startswith(f"Download {url} in another way, put it at {place(url)}")
        assert left(store) == []

    fails(server.url + "/none.pth", "the server says 404 Not Found")
    fails(f"http://127.0.0.1:{closed_port()}/net.pth", "the server cannot be reached")
    fails(server.url.replace("http", "https") + "/net.pth", "its certificate is not trusted")
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    server.answers["/slow"] = lambda handler: handler.connection.recv(1)
    fails(server.url + "/slow", "the server stopped answering")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("no_proxy", "")
    fails("http://weights.invalid/net.pth", "the proxy cannot be reached")


def test_a_store_that_cannot_be_written(tmp_path, server, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IMGTK_WEIGHTS", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="cannot write"):
        download(server.serve("/net.pth", CONTENT))


@pytest.mark.parametrize(
    "url",
    [
        *("", "net.pth", "file:///etc/passwd", "ftp://host/net.pth", "http://", "https:///net.pth", "doi:10/1"),
        *("http://host:99999/net.pth", "http://host:port/net.pth", "http://[::1/net.pth"),
    ],
)
def test_only_web_addresses_are_taken(store, url):
    with pytest.raises(UsageError, match="not a valid URL"):
        download(url)


@pytest.mark.parametrize("expected", ["abc", "z" * 64, "md5:" + "0" * 60])
def test_a_malformed_hash_is_refused_before_anything_is_asked(store, server, expected):
    with pytest.raises(UsageError, match="not a SHA-256"):
        download(server.serve("/net.pth", CONTENT), expected)
    assert server.asked == []
