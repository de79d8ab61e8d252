"""What these tests share, beyond `chancy.testing`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dask_cluster import ClusterProcesses, running

from chancy import Chancy
from chancy_dask import Dask


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcesses]:
    """A cluster of several processes: a scheduler and two Dask workers with their nannies."""
    with running(tmp_path_factory.mktemp("dask")) as processes:
        yield processes


@pytest.fixture
def new_chancy(dsn: str, schema: str) -> Callable[..., Chancy]:
    """Makes a Chancy for the test's schema, with this plugin, and those that are given."""

    def new(*plugins: Any, dask: Dask | None = None, **settings: Any) -> Chancy:
        return Chancy(dsn, schema=schema, discover=False, plugins=[dask or Dask(), *plugins], **settings)

    return new
