"""Figures about the server, in Prometheus' text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from time import time

from imgtk import __version__
from imgtk.serve.jobs import Jobs

__all__ = ["MEDIA_TYPE", "Metrics"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts requests, and reads the rest off the jobs.

    Args:
        jobs: of the server.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs, self._started = jobs, time()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds = 0.0

    def request(self, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests[method, status] += 1
        self._seconds += seconds

    def text(self) -> str:
        """Return all figures, one a line."""
        jobs, workers = self._jobs, self._jobs.workers
        requests = [({"method": m, "status": str(s)}, n) for (m, s), n in sorted(self._requests.items())]
        finished = [({"state": state}, count) for state, count in jobs.finished.items()]
        ready = [({"worker": worker.label}, int(worker.ready)) for worker in workers]
        busy = [({"worker": worker.label}, int(worker.busy)) for worker in workers]
        restarts = [({"worker": worker.label}, worker.restarts) for worker in workers]
        lines = [
            *_metric("info", "gauge", "Version of imgtk.", [({"version": __version__}, 1)]),
            *_metric("start_time_seconds", "gauge", "When the server started.", [({}, round(self._started, 3))]),
            *_metric("requests_total", "counter", "Requests, by method and status.", requests),
            *_metric("request_seconds_total", "counter", "Time to answer them.", [({}, round(self._seconds, 6))]),
            *_metric("jobs_total", "counter", "Finished jobs.", finished),
            *_metric("jobs_seconds_total", "counter", "Time of workers.", [({}, round(jobs.compute_seconds, 6))]),
            *_metric("jobs_waiting", "gauge", "Jobs in the queue.", [({}, jobs.waiting)]),
            *_metric("jobs_running", "gauge", "Jobs that workers compute.", [({}, jobs.computing)]),
            *_metric("kept_bytes", "gauge", "Of the files of all jobs.", [({}, jobs.kept_bytes)]),
            *_metric("worker_ready", "gauge", "Whether a worker takes jobs.", ready),
            *_metric("worker_busy", "gauge", "Whether a worker has a job.", busy),
            *_metric("worker_restarts_total", "counter", "How often a worker was replaced.", restarts),
        ]
        return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, told: str, values: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    lines = [f"# HELP imgtk_{name} {told}", f"# TYPE imgtk_{name} {kind}"]
    for labels, value in values:
        text = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        lines.append(f"imgtk_{name}{{{text}}} {value}" if text else f"imgtk_{name} {value}")
    return lines


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
