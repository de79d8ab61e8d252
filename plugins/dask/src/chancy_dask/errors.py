"""What a run on a cluster may end with beside what its function raises."""

from __future__ import annotations

from chancy import ChancyError


class DaskWorkerDied(ChancyError):  # noqa: N818 -- reads as what it is
    """The Dask worker that ran the job is gone, and the run with it. The attempt is spent."""


class DaskConnectionLost(ChancyError):  # noqa: N818
    """The cluster was lost while the job ran there, and nobody will learn how it ended. The attempt is spent."""
