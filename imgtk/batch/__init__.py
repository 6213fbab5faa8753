"""Many images: which there are, a run in which reading, computing and writing overlap, and the report of it."""

from imgtk.batch.report import Report, Row
from imgtk.batch.runner import Order, run, run_jobs
from imgtk.batch.sources import Job, list_jobs
from imgtk.batch.watch import watch

__all__ = ["Job", "Order", "Report", "Row", "list_jobs", "run", "run_jobs", "watch"]
