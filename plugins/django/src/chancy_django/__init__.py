"""Chancy as the backend of Django's tasks.

```python
TASKS = {"default": {"BACKEND": "chancy_django.ChancyBackend"}}
INSTALLED_APPS = [..., "chancy_django"]
```
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chancy_django.applications import get_chancy
    from chancy_django.backend import ChancyBackend
    from chancy_django.declared import ChancyTask, task
    from chancy_django.errors import TaskCancelled, TaskLost
    from chancy_django.running import ChancyTaskContext

__all__ = ["ChancyBackend", "ChancyTask", "ChancyTaskContext", "TaskCancelled", "TaskLost", "get_chancy", "task"]

# A worker without Django loads the plugin, and needs none of these; and settings name the backend before they are read.
_HOMES = {
    "ChancyBackend": "backend",
    "ChancyTask": "declared",
    "ChancyTaskContext": "running",
    "TaskCancelled": "errors",
    "TaskLost": "errors",
    "get_chancy": "applications",
    "task": "declared",
}


if not TYPE_CHECKING:  # where it would make any name a good one

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
