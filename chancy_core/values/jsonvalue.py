"""JSON as Chancy keeps it: checked first, because a value must come back as it was given."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from chancy_core.errors import InvalidJob

# Deeper nesting is a mistake, such as a list that contains itself.
MAX_DEPTH: Final = 100
# What reading JSON may raise that somebody else has written.
UNREADABLE: Final = (ValueError, RecursionError)
# Python reads and writes integers of up to 4,300 digits (sys.set_int_max_str_digits), which are 14,284 bits.
MAX_INT_BITS: Final = 14_000


def as_base(value: Any) -> Any:
    """The built-in string, number or container in an instance of a subclass, such as Django's SafeString."""
    for base, builtin in _BASES:
        if isinstance(value, base):
            return builtin(value)
    raise TypeError(f"it is a {type(value).__name__}")


# Not `str(value)`: a subclass may print itself as something else.
_BASES: Final[tuple[tuple[type, Any], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (dict, dict),
    (list, list),
    (tuple, tuple),
)
_encode: Final = msgspec.json.Encoder(enc_hook=as_base).encode
decode: Final = msgspec.json.Decoder().decode

# The types whose values are written as they are. Of a float that is none of JSON's numbers, null is written.
_BUILTIN: Final[frozenset[type]] = frozenset({str, int, bool, type(None), float})
_BUILTIN_BESIDE_NULL: Final[frozenset[type]] = _BUILTIN - {float}
_CONTAINERS: Final = frozenset({dict, list, tuple})
# No integer in so few bytes has too many bits. In longer texts one shows as a row of digits of that length.
_FEW_BYTES: Final = 4000
_DIGITS_AS_ZERO: Final = bytes(ord("0") if chr(byte) in "0123456789" else byte for byte in range(256))
_MANY_DIGITS: Final = b"0" * _FEW_BYTES
# The end of an error about what is JSON by choice only.
_TYPED: Final = ", or let json='typed' do it: as the job's field, or of all jobs, as in Chancy(json='typed')."
_BACKSLASH: Final = ord("\\")
_NUL: Final = b"\\u0000"


def encode_checked(value: Any, path: str) -> bytes:
    """The JSON of `value`.

    Args:
        value: dicts with string keys, lists, tuples, strings, numbers, booleans, None.
        path: what `value` is called in an error, such as `kwargs`.

    Raises:
        InvalidJob: some part is not JSON or cannot be stored by PostgreSQL: which one, and why.
    """
    try:
        encoded = _encode(value)
    except Exception:  # noqa: BLE001 -- what is wrong with it, the check says
        return _encode_sternly(value, path)
    # What was written shows whether it has a NUL, a long integer or a float that is no number, so that most values are
    # looked at only for their types. A look at every one, which knows where it is, takes several times as long.
    if (
        (len(encoded) <= _FEW_BYTES or _MANY_DIGITS not in encoded.translate(_DIGITS_AS_ZERO))
        and (_BACKSLASH not in encoded or _NUL not in encoded)
        and _is_builtin(value, MAX_DEPTH, _BUILTIN_BESIDE_NULL if b"null" in encoded else _BUILTIN)
    ):
        return encoded
    return _encode_sternly(value, path)


def is_shallow(value: Any, depth: int = MAX_DEPTH) -> bool:
    """Whether lists and dicts, such as `decode` makes, are nested in no more than `depth` levels."""
    if not depth:
        return False
    for item in value.values() if type(value) is dict else value:
        if type(item) in _CONTAINERS and not is_shallow(item, depth - 1):
            return False
    return True


def _is_builtin(value: Any, depth: int, builtin: frozenset[type]) -> bool:
    """Whether this has no types but these and JSON's containers, in no more than `depth` levels."""
    kind = type(value)
    if kind is dict and depth:
        for key in value:
            if type(key) is not str:
                return False
            item = value[key]
            if type(item) not in builtin and not _is_builtin(item, depth - 1, builtin):
                return False
        return True
    if (kind is list or kind is tuple) and depth:
        for item in value:  # noqa: SIM110 -- a generator costs more than most lists take
            if type(item) not in builtin and not _is_builtin(item, depth - 1, builtin):
                return False
        return True
    return kind in builtin or (kind is float and math.isfinite(value))


def _encode_sternly(value: Any, path: str) -> bytes:
    """As `encode_checked`, with a look at each value."""
    _check(value, path, 0)
    try:
        return _encode(value)
    except UnicodeEncodeError:
        where = _find_surrogate(value, path)
        raise InvalidJob(f"{where} contains a lone surrogate, which is not valid Unicode text.") from None
    except TypeError as error:
        raise InvalidJob(f"{path} cannot be written as JSON: {error}.") from None


def _check(value: Any, path: str, depth: int) -> None:  # noqa: C901, PLR0912 -- one case a line
    kind = type(value)
    if kind is str:
        if "\x00" in value:
            raise InvalidJob(f"{path} contains a NUL character, which PostgreSQL cannot store.")
    elif kind is int:
        if value.bit_length() > MAX_INT_BITS:
            raise InvalidJob(f"{path} is an integer of {value.bit_length()} bits: the most is {MAX_INT_BITS}.")
    elif kind is bool or value is None:
        pass
    elif kind is float:
        if not math.isfinite(value):
            raise InvalidJob(f"{path} is {value}, which JSON does not have: use None or a string.")
    elif kind is dict:
        _check_dict(value, path, depth)
    elif kind is list or kind is tuple:
        if depth >= MAX_DEPTH:
            raise InvalidJob(f"{path} is nested deeper than {MAX_DEPTH} levels.")
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, str | int | float | dict | list | tuple):
        # A subclass, such as an IntEnum or an OrderedDict, would come back as its base: check it as that.
        _check(as_base(value), path, depth)
    else:
        raise InvalidJob(f"{path} is a {kind.__name__} ({value!r:.60}), which is not JSON.{_advice(value)}")


def _check_dict(value: dict[Any, Any], path: str, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise InvalidJob(f"{path} is nested deeper than {MAX_DEPTH} levels.")
    for key, item in value.items():
        if not isinstance(key, str):
            raise InvalidJob(f"{path} has the key {key!r}: JSON keys are strings.")
        if "\x00" in key:
            raise InvalidJob(f"{path} has the key {key!r} with a NUL character, which PostgreSQL cannot store.")
        _check(item, f"{path}[{key!r}]", depth + 1)


def _advice(value: Any) -> str:
    if isinstance(value, set | frozenset):
        return f" Use a list{_TYPED}"
    if hasattr(value, "isoformat"):
        return f" Pass value.isoformat(), with its time zone, and parse it in the function{_TYPED}"
    if isinstance(value, bytes | bytearray):
        return f" Decode it, or use base64{_TYPED}"
    try:
        msgspec.to_builtins(value, str_keys=True, enc_hook=_dumped)
    except Exception:  # noqa: BLE001 -- whatever is wrong with it, the other way does not take it either
        return " Pass what identifies it (an id, a path) or a dict of plain values."
    return f" Pass what identifies it (an id, a path) or a dict of plain values{_TYPED}"


def _dumped(value: Any) -> Any:
    return {} if hasattr(type(value), "model_dump") else as_base(value)


def _find_surrogate(value: Any, path: str) -> str:
    if isinstance(value, str):
        return path if any("\ud800" <= char <= "\udfff" for char in value) else ""
    if isinstance(value, dict):
        for key, item in value.items():
            found = _find_surrogate(key, f"{path} (a key)") or _find_surrogate(item, f"{path}[{key!a}]")
            if found:
                return found
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            found = _find_surrogate(item, f"{path}[{index}]")
            if found:
                return found
    return ""
