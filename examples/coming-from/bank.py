"""What the shop does, whichever queue runs it: the same file beside each program of this folder.

The bank does not answer when it is asked for order 2 for the first time, so one job has to be tried again.
"""

from __future__ import annotations

from pathlib import Path

BOOK = Path("book.txt")


def charge(order: int, euros: int) -> str:
    """Take the money for an order; returns the number of the booking."""
    asked = Path(f"asked-{order}")
    if order == 2 and not asked.exists():
        asked.touch()
        raise ConnectionError("the bank does not answer")
    booking = f"booking {order}"
    _write(f"order {order}: charged {euros} euros, {booking}")
    return booking


def mail(order: int, booking: str) -> None:
    """Send the receipt."""
    _write(f"order {order}: sent the receipt of {booking}")


def booking_of(order: int) -> str | None:
    """The number of an order's booking; None before it was charged."""
    lines = BOOK.read_text().splitlines() if BOOK.exists() else []
    return next((line.partition(", ")[2] for line in lines if line.startswith(f"order {order}: charged")), None)


def _write(line: str) -> None:
    # One short write that appends is one piece, whoever else writes.
    with BOOK.open("a") as book:
        book.write(f"{line}\n")
