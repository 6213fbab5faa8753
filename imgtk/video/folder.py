"""Frames as image files in a folder, with a file of their times."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from imgtk.errors import ReadError, WriteError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io.options import WriteOptions
from imgtk.io.temporary import remove_leftovers, remove_segments, segments_folder, temporary
from imgtk.io.write import check_image, write
from imgtk.video.frames import Form
from imgtk.video.timestamps import NAME, Timestamps, read_timestamps

AT_ONCE = min(8, os.cpu_count() or 1)
"""Images that are encoded at the same time: a PNG file of two megapixels takes a quarter of a second."""


class FolderWriter:
    """A folder of frames that is being written, as a context manager. If the block succeeds, it is complete.

    Until then the frames lie in a hidden folder beside it. In a folder that is there already, what such frames would
    be called is replaced, and nothing else.

    Args:
        target: the folder.
        suffix: of the images, with the dot; chooses their format.
        size: of the images.
        form: how the frames that they are from were stored.
        transparent: whether there is transparency to be lost.
        options: how the images are written.
        key: tells what the frames are made of and how: complete ones stay if the block does not succeed, and
            those of another key are removed. None to leave nothing.

    Attributes:
        done: frames of an earlier run; pass those after them to `write`.
        warnings: what could not be kept, in words.

    Raises:
        WriteError: if the format cannot hold such images, or the folder cannot be written.
    """

    def __init__(
        self,
        target: Path,
        suffix: str,
        size: Size,
        form: Form,
        *,
        transparent: bool = False,
        options: WriteOptions = WriteOptions(),
        key: str | None = None,
    ) -> None:
        self.warnings: list[str] = []
        self._target, self._suffix, self._time_base = target, suffix, form.time_base
        self._options = replace(options, overwrite=True)  # the draft is ours
        check_image(target / _name(1, suffix), options, has_alpha=transparent, sixteen_bit=form.deep, size=size)
        self._final = Path(os.path.realpath(target))  # a link goes on pointing to the folder
        self._draft = segments_folder(self._final, key) if key else temporary(self._final)
        self._keeping, self._count = bool(key), 0
        self._encoding: deque[tuple[Future[Path], tuple[Fraction, Fraction]]] = deque()
        self._pool = ThreadPoolExecutor(AT_ONCE)
        try:
            with self._writing():
                if key:
                    remove_segments([self._final], but=self._draft)
                self._draft.mkdir(exist_ok=self._keeping)
                remove_leftovers(self._draft)
                times = _times(self._draft, suffix)
                self.done = self._count = max(len(times) - 1, 0)
                self._times = Timestamps(self._draft / NAME, times)
        except BaseException:
            self._clear()
            raise

    def __enter__(self) -> FolderWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            with self._pool, closing(self._times), nullcontext() if error is None else suppress(WriteError):
                while self._encoding:
                    self._finish()
            if error is None:
                with self._writing():
                    self._publish()
        finally:
            self._clear()

    def write(self, image: Image, pts: int, duration: int) -> None:
        """Add an image as the frame that is shown at `pts` for `duration`, in units of `form.time_base`."""
        file = self._draft / _name(self._count + len(self._encoding) + 1, self._suffix)
        times = pts * self._time_base, (pts + duration) * self._time_base
        self._encoding.append((self._pool.submit(write, image, file, self._options), times))
        if len(self._encoding) > AT_ONCE:
            self._finish()

    def _finish(self) -> None:
        """Wait for the first of the frames that are being encoded, and note its times."""
        written, times = self._encoding.popleft()
        with self._writing():
            written.result()
            self._times.add(*times)
        self._count += 1

    def copy(self, packet: Any) -> None:
        """Ignore a packet: folders of images have no sound and no subtitles."""
        if not self.warnings:
            self.warnings.append("sound and subtitles are left out: images hold none")

    def _publish(self) -> None:
        if not self._final.is_dir():
            os.rename(self._draft, self._final)
            return
        for file in written(self._final, self._suffix):  # the times first: a folder without them is not whole
            file.unlink()
        for file in sorted(self._draft.iterdir()):  # and last
            os.replace(file, self._final / file.name)
        self._draft.rmdir()

    def _clear(self) -> None:
        """Remove what is not there to go on with."""
        if not (self._keeping and self._count):
            shutil.rmtree(self._draft, ignore_errors=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Name the folder in errors."""
        try:
            yield
        except WriteError as error:
            error.message = error.message.replace(str(self._draft), str(self._target))
            raise
        except OSError as error:
            raise WriteError(f"cannot write {self._target}: {error.strerror}") from error


def written(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield the files in a folder that a `FolderWriter` has written: times and frames, as far as none is missing."""
    if (folder / NAME).is_file():
        yield folder / NAME
    for number in count(1):
        file = folder / _name(number, suffix)
        if not file.is_file():
            return
        yield file


def _name(number: int, suffix: str) -> str:
    return f"{number:06}{suffix}"


def _times(folder: Path, suffix: str) -> list[Fraction]:
    """Return the starts of the frames that an earlier run has left, and the end of the last one."""
    try:
        times = read_timestamps(folder / NAME)
    except ReadError:  # there are none
        return []
    frames = sum(1 for file in written(folder, suffix) if file.name != NAME)
    return times[: frames + 1] if frames else []
