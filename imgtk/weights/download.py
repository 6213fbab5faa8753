"""Downloads of weights: verified, kept, and complete or absent."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imgtk.errors import UsageError, WeightsError
from imgtk.io.quiet import without_logs
from imgtk.weights.store import store

if TYPE_CHECKING:
    from requests.exceptions import RequestException

__all__ = ["DownloadProgress", "check_address", "download", "place"]

TIMEOUT = 30
"""Seconds without an answer after which the server counts as gone."""

CHUNK = 1 << 17
"""Bytes between two writes, and two reports of progress."""


DownloadProgress = Callable[[int, int], None]
"""Receives the number of bytes so far and in all; 0 if the server does not state it."""


def place(url: str, name: str = "") -> Path:
    """Return the path for the file at `url`: in the folder `downloads` of the user's store, under `name`, which public
    weights have, and under a name for each URL otherwise."""
    if name:
        return store() / "downloads" / name
    name = re.sub(r"[^\w.-]", "_", url.partition("?")[0].rpartition("/")[2])[-100:]
    return store() / "downloads" / f"{sha256(url.encode()).hexdigest()[:12]}-{name}"


def check_address(url: str) -> None:
    """Raise UsageError unless `url` can be the URL of a file on a server."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number or too large, brackets that do not match
        good = False
    if not good:
        raise UsageError(f"{url!r} is not a valid URL", hint="A URL begins with http:// or https://.")


def download(url: str, expected: str = "", report: DownloadProgress | None = None, name: str = "") -> Path:
    """Return the file at `url`, from its `place` if it is there already and has the right hash.

    The proxies and certificates that the environment names are used. A download that fails or does not have the
    expected hash leaves nothing.

    Args:
        url: http or https.
        expected: SHA-256 that the file must have, as hex digest; "" trusts what comes.
        report: called as it goes on.
        name: of the file that is kept; by default one made of the address.

    Raises:
        UsageError: `url` or `expected` is malformed.
        WeightsError: it cannot be downloaded, or has another hash; the hint says how to go on by hand.
    """
    check_address(url)
    if expected and not re.fullmatch(r"[0-9a-fA-F]{64}", expected):
        raise UsageError(f"{expected!r} is not a SHA-256 hash", hint="It has 64 hexadecimal digits.")
    import pooch
    from requests.exceptions import RequestException

    path = place(url, name)
    by_hand = f"Download {url} in another way, put it at {path}, and give the same command again."
    if path.exists():  # and pooch wants to download it nevertheless
        by_hand = f"The file at {path} has another SHA-256 than expected. {by_hand}"
    bar = _Bar(report) if report else False
    try:
        with without_logs(pooch.get_logger()):
            pooch.retrieve(
                url,
                known_hash=expected.lower() or None,
                fname=path.name,
                path=path.parent,
                downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=CHUNK, timeout=TIMEOUT),
            )
    except RequestException as error:
        raise WeightsError(f"cannot download {url}: {_reason(error)}", hint=by_hand) from None
    except OSError as error:
        raise WeightsError(f"cannot write {path}: {error.strerror or error}") from None
    except ValueError as error:  # pooch's for a wrong hash
        found = re.search(r"got ([0-9a-f]{64})", str(error))
        got = found[1] if found else "unknown"
        raise WeightsError(
            f"the file at {url} has another SHA-256 than expected: {got}, not {expected.lower()}",
            hint="It was not kept. The download or the original file was changed.",
        ) from None
    return path


class _Bar:
    """The interface of a progress bar for pooch."""

    total = 0

    def __init__(self, report: DownloadProgress) -> None:
        self.report, self.done = report, 0

    def update(self, count: int) -> None:
        self.done += count
        self.report(min(self.done, self.total) if self.total else self.done, self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass


def _reason(error: RequestException) -> str:
    """Return the reason in a few words: libraries wrap it in several layers of text."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"the server says {error.response.status_code} {error.response.reason}"
    kinds = (
        (exceptions.ProxyError, "the proxy cannot be reached"),
        (exceptions.SSLError, "its certificate is not trusted"),
        (exceptions.ConnectTimeout, "the server does not answer"),
        (exceptions.ReadTimeout, "the server stopped answering"),
        (exceptions.ChunkedEncodingError, "the connection broke off"),
        (exceptions.ConnectionError, "the server cannot be reached"),
        (exceptions.TooManyRedirects, "it leads from one address to another without end"),
    )
    return next((said for kind, said in kinds if isinstance(error, kind)), type(error).__name__)
