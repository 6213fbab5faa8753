"""`RunOptions`: the options of a run, as one value."""

from __future__ import annotations

from dataclasses import dataclass, replace

from imgtk.io import MAX_PIXELS, WriteOptions
from imgtk.video.formats import AS_BEFORE, Encoding


@dataclass(frozen=True)
class RunOptions:
    """The options of a run.

    Attributes:
        write: how results are written. `quality` is ignored for results whose format has none, unless the user chose
            it.
        clips: how the frames of clips are written.
        max_pixels: images and frames with more pixels fail.
        batch: maximum number of small images and frames of the same size that are computed together; None for one on a
            CPU and 16 elsewhere. The results of a batch may differ from those of single images in the last bit.
        resume: whether to skip images whose result exists, and to keep the parts of clips and of large results until
            they are complete.
    """

    write: WriteOptions = WriteOptions()
    clips: Encoding = AS_BEFORE
    max_pixels: int = MAX_PIXELS
    batch: int | None = None
    resume: bool = False

    @property
    def writing(self) -> WriteOptions:
        """How results are written: when resuming, those that were found unfit are replaced."""
        return replace(self.write, overwrite=True) if self.resume else self.write
