"""Workers: claim jobs, run them, finish them; rescue those of workers that are gone."""

from chancy_core.worker.worker import Stopped, Worker

__all__ = ["Stopped", "Worker"]
