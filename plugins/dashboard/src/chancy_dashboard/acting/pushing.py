"""From a form to a job. Whatever cannot be read is told at its field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from chancy import Chancy, Job, QueuedJob
from chancy.errors import InvalidJob, JobNotFound
from chancy.plugin import Done, Visit
from chancy_dashboard.acting.meaning import moment, whole
from chancy_dashboard.acting.signatures import Argument, check_allowed, look_at

# The fields of a job's own begin without this, those of its arguments with it.
PREFIX: Final = "arg."
TRUE: Final = ("true", "yes", "1", "on")
FALSE: Final = ("false", "no", "0", "off")


async def push(visit: Visit) -> Done:
    """Push what the form says: a new job, or a changed copy of one."""
    form = visit.form
    func = form.get("func", "").strip()
    if not func:
        raise InvalidJob("func: say which function, as in app.mail.send.")
    check_allowed(visit.chancy, func)
    base = await original(visit.chancy, form.get("copy", ""))
    fields = {**({} if base is None else _fields(base)), **_given(form)}
    if base is not None and base.func == func and "meta" in fields:
        fields["meta"] = restored(fields["meta"], base.meta, visit.redacted(base.meta))
    job = Job(**{**fields, "func": func, "queue": queue_of_push(visit), "kwargs": await _kwargs(visit, func, base)})
    reference = await visit.chancy.push(job)
    if not reference.created:
        raise InvalidJob(f"unique_key: the job {reference.identifier} holds that key; nothing was pushed.")
    subject = f"{func} as job {reference.identifier}" + (f", a copy of {base.id}" if base else "")
    return Done("It is pushed.", f"jobs/{reference.identifier}", subject=subject, jobs=1)


def queue_of_push(visit: Visit) -> str:
    """The queue that a form pushes to."""
    return visit.form.get("queue", "").strip() or "default"


async def original(chancy: Chancy, id_: str) -> QueuedJob | None:
    """The job of which a copy is wanted; None: none is. Raises JobNotFound."""
    if not id_:
        return None
    try:
        job = await chancy.get_job(id_)
    except InvalidJob:
        job = None
    if job is None:
        raise JobNotFound(f"There is no job {id_[:60]!r} to copy: it was pruned, or never stored.")
    return job


def _fields(job: QueuedJob) -> dict[str, Any]:
    """What a copy has of its original, but what belongs to its time and its place."""
    found = {name: getattr(job, name) for name in Job.__struct_fields__}
    return {**found, "scheduled_at": None, "expires_at": None, "unique_key": None}


def _given(form: Mapping[str, str]) -> dict[str, Any]:
    """The fields that were filled in. Raises InvalidJob."""
    found: dict[str, Any] = {}
    for name in ("priority", "max_attempts"):
        if form.get(name, "").strip():
            found[name] = whole(name, form[name])
    if form.get("when", "").strip():
        found["scheduled_at"] = moment("when", form["when"])
    if form.get("unique_key", ""):
        found["unique_key"] = form["unique_key"]
    if form.get("meta", "").strip():
        found["meta"] = _object("meta", form["meta"])
    return found


async def _kwargs(visit: Visit, func: str, base: QueuedJob | None) -> dict[str, Any]:
    """The arguments. Raises InvalidJob."""
    form = visit.form
    if form.get("same") and base is not None:
        return base.kwargs
    if "kwargs" in form:
        kwargs = _object("kwargs", form["kwargs"] or "{}")
    else:
        looked = await look_at(visit.chancy, func)
        kwargs = {
            one.name: _value(one, form[PREFIX + one.name])
            for one in looked.arguments or ()
            if PREFIX + one.name in form and _is_filled(one, form[PREFIX + one.name])
        }
    if base is not None and base.func == func:
        # What was hidden, and left as it was, means what it hides: of the same function, so that it goes nowhere else.
        found: dict[str, Any] = restored(kwargs, base.kwargs, visit.redacted(base.kwargs))
        return found
    return kwargs


def restored(value: Any, secret: Any, hidden: Any) -> Any:
    """A value in which everything that was hidden, and is still as it was shown, is what it hides."""
    if value == hidden and secret != hidden and not isinstance(value, dict | list):
        return secret
    if isinstance(value, dict) and isinstance(secret, dict) and isinstance(hidden, dict):
        return {key: restored(one, secret.get(key), hidden.get(key)) for key, one in value.items()}
    lists = isinstance(value, list) and isinstance(secret, list) and isinstance(hidden, list)
    if lists and len(value) == len(secret) == len(hidden):
        return [restored(*each) for each in zip(value, secret, hidden, strict=True)]
    return value


def _is_filled(one: Argument, text: str) -> bool:
    return bool(text.strip()) or (one.required and one.kind == "str")


def _value(one: Argument, text: str) -> Any:
    field = PREFIX + one.name
    if one.kind == "str":
        return text
    text = text.strip()
    match one.kind:
        case "int":
            return whole(field, text)
        case "float":
            return _float(field, text)
        case "bool":
            return _bool(field, text)
        case "choice":
            return _choice(field, text, one.choices)
        case _:
            return _json(field, text)


def _choice(field: str, text: str, choices: tuple[Any, ...]) -> Any:
    for each in choices:
        if str(each) == text:
            return each
    raise _flaw(field, f"{text[:60]!r} is none of {', '.join(map(str, choices))}.")


def _float(field: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _flaw(field, f"{text[:60]!r} is no number.") from None


def _bool(field: str, text: str) -> bool:
    if text.lower() in TRUE or text.lower() in FALSE:
        return text.lower() in TRUE
    raise _flaw(field, f"{text[:60]!r} is neither true nor false.")


def _json(field: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _flaw(field, f"this is no JSON ({error}). A text stands in double quotes.") from None
    except RecursionError:
        raise _flaw(field, "this JSON nests deeper than anything can read it.") from None


def _object(field: str, text: str) -> dict[str, Any]:
    found = _json(field, text)
    if not isinstance(found, dict):
        raise _flaw(field, 'this is no JSON object: write names with their values, as in {"user": 7}.')
    return found


def _flaw(field: str, told: str) -> InvalidJob:
    return InvalidJob(f"{field}: {told}")


def text_of_json(value: Any) -> str:
    """A value as somebody edits it."""
    return json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)
