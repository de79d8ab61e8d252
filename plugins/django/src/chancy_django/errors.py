"""What stands in `TaskResult.errors` for a task that ended without raising anything of its own."""


class TaskCancelled(Exception):  # noqa: N818 -- named as the jobs' state
    """Somebody cancelled the task, or it was not started before it expired."""


class TaskLost(Exception):  # noqa: N818 -- what became of it
    """The task ended without an exception that could be told: its worker was lost, or its process killed."""
