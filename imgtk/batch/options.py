"""`RunOptions`: what holds for all images of a run, as one value."""

from __future__ import annotations

from dataclasses import dataclass, replace

from imgtk.io import MAX_PIXELS, WriteOptions
from imgtk.video.formats import AS_BEFORE, Encoding


@dataclass(frozen=True)
class RunOptions:
    """What holds for all images of a run.

    Attributes:
        write: how results are written. `quality` is left out where a result has, by itself, a format without it.
        clips: how the frames of clips are written.
        max_pixels: images and frames with more pixels fail.
        batch: maximum number of small images and frames of the same size that are computed together; None for one on a
            CPU and 16 elsewhere. The results of a batch may differ from those of single images in the last bit.
        resume: whether to skip images whose result an earlier run has left, and to keep the parts of clips and of large
            results until they are complete.
    """

    write: WriteOptions = WriteOptions()
    clips: Encoding = AS_BEFORE
    max_pixels: int = MAX_PIXELS
    batch: int | None = None
    resume: bool = False

    @property
    def writing(self) -> WriteOptions:
        """How results are written to their files: when resuming, those that were found unfit are replaced."""
        return replace(self.write, overwrite=True) if self.resume else self.write
