"""Runs over many images: reading, computing and writing overlap, and a report describes the outcome."""

from imgtk.batch.jobs import Job
from imgtk.batch.options import RunOptions
from imgtk.batch.report import Report, Row
from imgtk.batch.runner import run, run_jobs
from imgtk.batch.sources import list_jobs
from imgtk.batch.watch import watch

__all__ = ["Job", "Report", "Row", "RunOptions", "list_jobs", "run", "run_jobs", "watch"]
