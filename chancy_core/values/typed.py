"""JSON by choice: values of more types than JSON has, written as JSON, and made again from what a function annotates.

msgspec does both. What it writes of a type is what it reads for it: ISO 8601 for dates and times, text for UUIDs and
decimal numbers, base64 for bytes, an object for whatever has fields.
"""

from __future__ import annotations

import sys
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from chancy_core.errors import InvalidJob
from chancy_core.values.fields import as_builtin, shown
from chancy_core.values.jsonvalue import MAX_DEPTH, as_base, encode_checked

# How the arguments and the result of a job are written: what JSON has, or what msgspec knows besides.
Json: TypeAlias = Literal["plain", "typed"]
WORDS: Final = get_args(Json)
_BASES: Final[tuple[type, ...]] = (str, int, float, dict, list, tuple)
# What a type that msgspec does not know raises where it is built into another one; the value is not at fault.
_NO_TYPE: Final = (TypeError, NotImplementedError)


def json_word(value: object) -> Json:
    """The word for how a job's values are written. Raises InvalidJob."""
    word = as_builtin(value)
    if word not in WORDS:
        raise InvalidJob(
            f"json is {shown(value)}: give 'plain' (the default: what JSON has, as it is) or 'typed' (dates, UUIDs, "
            "decimal numbers, dataclasses and the like, made again from the function's annotations)."
        )
    found: Json = word  # type: ignore[assignment]  # one of them
    return found


def plain_of(value: Any, path: str) -> Any:
    """What JSON has of `value`: dicts, lists, strings, numbers, booleans, None.

    Args:
        value: what may hold more types than those.
        path: what `value` is called in an error, such as `kwargs`.

    Raises:
        InvalidJob: some part is of a type that msgspec does not know: which one.
    """
    try:
        return msgspec.to_builtins(value, str_keys=True, enc_hook=_encoded)
    except RecursionError:
        raise InvalidJob(f"{path} is nested too deeply; does it contain itself?") from None
    except Exception as error:
        where, problem = _find(value, path, error, 0)
        raise InvalidJob(
            f"{where} cannot be written as JSON, not even with json='typed': {problem}. Pass what identifies it (an "
            "id, a path), or make it a dataclass, a msgspec.Struct or a pydantic model."
        ) from error


def encode_typed(value: Any, path: str) -> bytes:
    """As `encode_checked`, for more types. Raises InvalidJob."""
    return encode_checked(plain_of(value, path), path)


def made_of(value: Any, type_: Any) -> Any:
    """What an annotation asks for, made of plain JSON.

    Raises:
        ValueError: `value` is none of that type: why, and where in it.
        TypeError: nobody knows how to make that type.
    """
    try:
        return msgspec.convert(value, type_, str_keys=True, dec_hook=_decoded)
    except _NO_TYPE:
        adapter = _pydantic_adapter(type_)
        if adapter is None:
            raise
        return adapter.validate_python(value)


def _encoded(value: Any) -> Any:
    """What msgspec is to write of a value of a type that it does not know."""
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        # As its own `model_validate` reads it.
        return dump(value, mode="json", by_alias=True, round_trip=True)
    return as_base(value)


def _decoded(type_: Any, value: Any) -> Any:
    """An instance of a type that msgspec does not know."""
    validate = getattr(type_, "model_validate", None)
    if validate is not None:
        return validate(value)
    if isinstance(type_, type):
        if isinstance(value, type_):
            return value
        for base in _BASES:
            # Such as `class Email(str)`, of which the JSON has the text.
            if issubclass(type_, base) and isinstance(value, list if base is tuple else base):
                made: Any = type_
                return made(value)
    raise NotImplementedError(
        f"{getattr(type_, '__qualname__', type_)} cannot be made of JSON: annotate a type that msgspec knows, a "
        "dataclass, a msgspec.Struct or a pydantic model, or what JSON has"
    )


def _pydantic_adapter(type_: Any) -> Any:
    """Pydantic's own way to a type that msgspec does not know, such as a union of two of its models."""
    pydantic: Any = sys.modules.get("pydantic")
    if pydantic is None:
        return None
    try:
        return pydantic.TypeAdapter(type_)
    except Exception:  # noqa: BLE001 -- it does not know that type either
        return None


def _find(value: Any, path: str, error: Exception, depth: int) -> tuple[str, str]:
    """The first part of a value that cannot be written, and why."""
    parts: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        parts = [(f"{path}[{key!r}]", item) for key, item in value.items()]
    elif isinstance(value, list | tuple | set | frozenset):
        parts = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
    for where, item in parts if depth < MAX_DEPTH else ():
        try:
            msgspec.to_builtins(item, str_keys=True, enc_hook=_encoded)
        except Exception as found:  # noqa: BLE001 -- as above
            return _find(item, where, found, depth + 1)
    return f"{path} is a {type(value).__name__} ({_repr(value)}), which", _text(error)


def _repr(value: Any) -> str:
    try:
        return f"{value!r:.60}"
    except Exception:  # noqa: BLE001 -- whatever it says of itself
        return "…"


def _text(error: Exception) -> str:
    lines = str(error).strip().rstrip(".").splitlines()
    return lines[0][:200] if lines else type(error).__name__
