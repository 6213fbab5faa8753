"""Runs on a Ray cluster: `run(…, engine=ray_engine(Cluster(…)))`. Ray itself is imported when a run begins."""

from __future__ import annotations

from functools import partial

from imgtk.batch.engine import EngineFactory
from imgtk.batch.ray.config import Cluster
from imgtk.batch.ray.pool import RayEngine

__all__ = ["Cluster", "RayEngine", "ray_engine"]


def ray_engine(cluster: Cluster) -> EngineFactory:
    """Return the `engine` of `imgtk.batch.run` that does images on a cluster."""
    return partial(RayEngine, cluster)
