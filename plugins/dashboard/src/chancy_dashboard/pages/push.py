"""Push a job: a new one, or a changed copy."""

from __future__ import annotations

from typing import Any, Final

from chancy import QueuedJob
from chancy.plugin import Visit, WebAction, WebPage, command_line
from chancy_dashboard.acting.pushing import original, push, queue_of_push, text_of_json
from chancy_dashboard.acting.signatures import look_at

# Arguments that are longer are not edited in a browser.
EDITED_MAX: Final = 50_000


async def load(visit: Visit) -> dict[str, Any]:
    """What the form asks for, and what it has from the job that is copied."""
    chancy, query = visit.chancy, visit.query
    base = await original(chancy, query.get("copy", ""))
    func = query.get("func", "").strip() or ("" if base is None else base.func)
    looked = await look_at(chancy, func) if func else None
    kwargs = {} if base is None else visit.redacted(base.kwargs)
    text = text_of_json(kwargs)
    arguments = None if looked is None or query.get("as") == "json" else looked.arguments
    # What its fields could not hold would be lost.
    if arguments is not None and not set(kwargs) <= {one.name for one in arguments}:
        arguments = None
    return {
        "func": func,
        "base": None if base is None else _copied(base),
        "large": len(text) > EDITED_MAX,
        "whole": command_line(chancy, "job", str(base.id), "--json") if base is not None else "",
        "kwargs": text if len(text) <= EDITED_MAX else "",
        "meta": "" if base is None or not base.meta else text_of_json(visit.redacted(base.meta)),
        "values": {name: value if isinstance(value, str) else text_of_json(value) for name, value in kwargs.items()}
        if arguments is not None
        else {},
        "arguments": arguments,
        "doc": "" if looked is None else looked.doc,
        "problem": "" if looked is None else looked.problem,
        "forbidden": looked is not None and looked.forbidden,
        "queues": sorted(queue.name for queue in await chancy.get_all_queues()),
    }


def _copied(job: QueuedJob) -> dict[str, Any]:
    return {
        "id": str(job.id),
        "func": job.func,
        "queue": job.queue,
        "priority": job.priority,
        "max_attempts": job.max_attempts,
        "unique_key": job.unique_key,
    }


PUSH: Final = WebPage(
    path="push",
    title="Push a job",
    load=load,
    template="chancy_dashboard.templates/push.html",
    permission="push",
    live=False,
    actions=(WebAction(name="push", permission="push", run=push, queue=queue_of_push),),
)
