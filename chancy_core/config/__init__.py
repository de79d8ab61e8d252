"""Settings: a TOML file, then `CHANCY_*` variables, then arguments, as one typed value."""

from chancy_core.config.calls import worker_settings
from chancy_core.config.describing import describe
from chancy_core.config.loading import load_settings
from chancy_core.config.redacting import redacted
from chancy_core.config.settings import Settings, WorkerSettings

__all__ = ["Settings", "WorkerSettings", "describe", "load_settings", "redacted", "worker_settings"]
