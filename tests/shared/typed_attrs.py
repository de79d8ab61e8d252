"""Functions that are given classes of attrs. Imported only where that is installed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import attrs


@attrs.define
class Item:
    """A class."""

    price: Decimal
    at: datetime


def twice(*, item: Item) -> Item:
    """At twice the price."""
    return attrs.evolve(item, price=2 * item.price)
