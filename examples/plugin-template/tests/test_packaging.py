"""Chancy finds the plugins by their entry points, once they are installed."""

from importlib.metadata import PackageNotFoundError, distribution

import pytest
from chancy import Chancy

from acme_chancy import Failures, SizeLimit


def test_installed_they_are_found_and_take_their_settings(tmp_path):
    """Their tables in the configuration file set them."""
    try:
        distribution("acme-chancy")
    except PackageNotFoundError:
        pytest.skip("it is not installed: pip install -e .")
    config = tmp_path / "chancy.toml"
    config.write_text('[plugins.size_limit]\nlimit_bytes = 7\n\n[plugins.failures]\nqueues = ["billing"]\n')
    found = {one.name: one.plugin for one in Chancy("postgresql://", config=config).plugins.loaded}
    assert isinstance(found["size_limit"], SizeLimit)
    assert found["size_limit"].limit_bytes == 7
    assert isinstance(found["failures"], Failures)
    assert found["failures"].queues == ["billing"]
