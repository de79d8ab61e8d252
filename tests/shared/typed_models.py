"""Functions that are given models of pydantic. Imported only where that is installed."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, Field


class Line(BaseModel):
    """A line of a bill."""

    price: Decimal


class Note(BaseModel):
    """Another kind of line."""

    text: str


class Bill(BaseModel):
    """A bill, whose number goes by another name outside."""

    number: int = Field(alias="nr")
    lines: list[Line | Note]


def a_bill() -> Bill:
    """One of both kinds."""
    return Bill(nr=3, lines=[Line(price=Decimal("1.10")), Note(text="thanks")])


def total(*, bill: Bill, more: list[Line | Note] | None = None) -> Bill:
    """The bill itself."""
    assert bill == a_bill()
    assert more is None
    return bill
