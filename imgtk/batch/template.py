"""Names of results that are made of those of their images: "out/{name}-{pipeline}.jpg"."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from imgtk.batch.jobs import Job
from imgtk.errors import UsageError

__all__ = ["Template"]

_FIELD = re.compile(r"\{(\w+)\}")
_LONGEST = 80  # letters of a pipeline; names of files end at 255 bytes on most disks


@dataclass(frozen=True)
class Template:
    """A name with fields.

    Attributes:
        folder: what comes before the first part with a field: a folder, or a URL.
        name: the rest, without suffix.
        suffix: of the results, with the dot; empty if each keeps its image's.
    """

    folder: str
    name: str
    suffix: str

    @staticmethod
    def of(output: str, pipeline: str) -> Template | None:
        """Return the template that `output` is, if there are fields in it: `{name}` for that of the image, without
        suffix, and `{pipeline}` for the text `pipeline`, with hyphens for all but letters and digits.

        Raises:
            UsageError: if it has other fields.
        """
        fields = set(_FIELD.findall(output))
        if not fields or os.path.exists(output):
            return None
        if unknown := sorted(fields - {"name", "pipeline"}):
            raise UsageError(f"-o {output}: unknown field {{{unknown[0]}}}", hint="Available: {name}, {pipeline}.")
        if "name" not in fields:
            raise UsageError(f"-o {output}: all results would have one name", hint="Put {name} into it.")
        parts = output.split("/")
        first = next(index for index, part in enumerate(parts) if _FIELD.search(part))
        words = re.sub(r"\W+", "-", pipeline).strip("-")[:_LONGEST].rstrip("-")
        path = PurePosixPath("/".join(parts[first:]).replace("{pipeline}", words))
        folder = "/".join(parts[:first]) or ("/" if first else ".")
        return Template(folder, str(path.with_suffix("")), path.suffix)

    def named(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs with such targets, without those whose image is the result of another one of them."""
        jobs = [job if job.error else self._named(job) for job in jobs]
        results = {os.path.realpath(job.target) for job in jobs if job.is_local and not job.error}
        return [job for job in jobs if not job.is_local or os.path.realpath(job.source) not in results]

    def _named(self, job: Job) -> Job:
        stem = self.name.replace("{name}", PurePosixPath(job.name).name)
        folder, ending = job.target.parent, "" if job.suffix else job.target.suffix
        fallback = job.fallback and folder / f"{stem}.png"
        return replace(job, target=folder / f"{stem}{ending}", fallback=fallback)
