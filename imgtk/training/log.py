"""The log of a run: log.csv, TensorBoard events, and sample images."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
from torch import Tensor

__all__ = ["RunLog"]


class RunLog:
    """The log of a run, to be closed at its end.

    Args:
        out: the run's folder.
        step: number of finished updates. Rows of later ones, from a run that was killed, are dropped.
    """

    def __init__(self, out: Path, step: int) -> None:
        (out / "samples").mkdir(exist_ok=True)
        self.out = out
        path = out / "log.csv"
        rows = []
        if path.exists() and step:
            with path.open(newline="") as file:
                rows = [row for row in csv.reader(file) if row[0].isdigit() and int(row[0]) <= step]
        self.file = path.open("w", newline="")
        self.csv = csv.writer(self.file)
        self.csv.writerows([("step", "figure", "value"), *rows])
        self.board = _summary_writer(out, step)

    def losses(self, step: int, losses: Mapping[str, float], seconds: float) -> None:
        """Log the losses by name, and the time of the step."""
        self._write(step, {**losses, "seconds": seconds})

    def scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Log the figures of a validation, by name."""
        self._write(step, {f"validation/{name}": value for name, value in scores.items()})

    def sample(self, step: int, image: Tensor) -> None:
        """Write an image (3, H, W), 0..1, as `samples/STEP.png`."""
        pixels = image.float().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
        cv2.imwrite(str(self.out / "samples" / f"{step:07}.png"), pixels[..., ::-1])

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.csv.writerow((step, name, f"{value:.6g}"))
            if self.board:
                self.board.add_scalar(name, value, step)
        self.file.flush()

    def close(self) -> None:
        self.file.close()
        if self.board:
            self.board.close()


def _summary_writer(out: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(out), purge_step=step + 1)
