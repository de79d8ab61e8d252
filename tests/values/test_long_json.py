"""Values of more than a few kilobytes are looked at by what was written of them, and refused like short ones."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

import pytest

from chancy_core.errors import InvalidJob
from chancy_core.store.storedjobs import decode_dict
from chancy_core.values import jsonvalue
from chancy_core.values.jsonvalue import MAX_DEPTH, MAX_INT_BITS, decode, encode_checked

# Longer than what is looked at value by value whatever it holds.
PADDING = [{"id": n, "price": n * 1.25, "name": f"name {n}"} for n in range(500)]


class Colour(StrEnum):
    RED = "red"


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (math.nan, r"x\[1\] is nan"),
        ([None, math.inf], r"x\[1\]\[1\] is inf"),
        (1 << (MAX_INT_BITS + 1), "bits"),
        (-(10**5000), "bits"),
        ({1: 2}, "keys are strings"),
        ("a\x00b", "NUL"),
        ({"a\x00": 1}, "NUL"),
        ("\ud800", "surrogate"),
        ({1, 2}, "is a set"),
        (b"bytes", "is a bytes"),
        (nested(MAX_DEPTH), "nested deeper"),
    ],
    # Python does not print such numbers.
    ids=lambda value: type(value).__name__,
)
def test_long_values_are_refused_for_what_short_ones_are(bad, problem):
    for value in ([PADDING, bad], [[], bad]):
        with pytest.raises(InvalidJob, match=problem):
            encode_checked(value, "x")


@pytest.mark.parametrize(
    "good",
    [
        1 << (MAX_INT_BITS - 1),
        "1234567890" * 1000,
        "null",
        [None, 1.5, True],
        (1, 2),
        Colour.RED,
        nested(MAX_DEPTH - 1),
        "\\u0000",
        "{[" * 500,
        -0.0,
    ],
    ids=lambda value: type(value).__name__,
)
def test_long_values_come_back_as_they_were_given(good):
    encoded = encode_checked([PADDING, good], "x")
    # Python writes such a number only as text of limited length; msgspec reads it the same way.
    came = decode(encoded)[1] if not isinstance(good, int) else int(encoded.rpartition(b",")[2][:-1])
    assert came == (list(good) if isinstance(good, tuple) else good)


def test_long_values_are_not_looked_at_one_by_one(monkeypatch):
    """Ten kilobytes of records took as long as 400 µs: each value's path was written down for an error."""

    def too_slow(*_arguments: Any) -> bytes:
        raise AssertionError("it was looked at value by value")

    monkeypatch.setattr(jsonvalue, "_encode_sternly", too_slow)
    assert decode(encode_checked(PADDING, "x")) == PADDING


def test_what_was_claimed_is_not_encoded_to_see_how_deep_it_is(monkeypatch):
    text = encode_checked({"data": PADDING}, "x").decode()
    monkeypatch.setattr("chancy_core.store.storedjobs.encode_checked", None)
    assert decode_dict(text) == {"data": PADDING}


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1])
def test_rows_nested_too_deeply_are_still_refused(levels):
    """Written by hand: a push refuses them."""
    text = '{"padding":"' + "[" * 500 + '","a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"
    if levels <= MAX_DEPTH:
        assert "a" in decode_dict(text)
    else:
        with pytest.raises(ValueError, match="nested deeper"):
            decode_dict(text)
