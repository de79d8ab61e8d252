"""A gauge: numbers that stand for how something is now, as chancy-metrics shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_NAME: Final = re.compile(r"chancy_[a-z][a-z0-9_]{0,100}")
_LABEL: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
# Each is a series, which is stored for ever by whoever scrapes: a label must not be made of what users make up.
SERIES_MOST: Final = 100
VALUE_MOST: Final = 100


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that stand for how something is now.

    ```python
    Gauge(name="chancy_mailbox_letters", text="Letters.", labels=("state",), values={("new",): 3, ("read",): 7})
    Gauge(name="chancy_mailbox_oldest_seconds", text="Age of the oldest letter.", values={(): 12.5})
    ```

    Attributes:
        name: begins with `chancy_` and the name of the plugin, and ends with the unit, if there is one.
        text: what it says, in one line.
        labels: the names of its labels; none: it is one number.
        values: the number for each set of values of the labels, a hundred of them at most.
    """

    name: str
    text: str
    labels: tuple[str, ...] = ()
    values: Mapping[tuple[str, ...], float] = {}

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be shown."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"Gauge(name={self.name!r:.120}): use chancy_, and small letters, digits and _ after it.")
        for label in self.labels:
            if not _LABEL.fullmatch(label):
                raise ValueError(f"Gauge {self.name}: the label {label!r:.60} has to be small letters, digits and _.")
        if len(self.values) > SERIES_MOST:
            raise ValueError(
                f"Gauge {self.name} has {len(self.values)} values: {SERIES_MOST} is the most, because each is a series "
                "that is kept for ever. Leave a label out, or add up what is rare."
            )
        for given, number in self.values.items():
            if len(given) != len(self.labels) or not all(
                isinstance(one, str) and len(one) <= VALUE_MOST for one in given
            ):
                raise ValueError(
                    f"Gauge {self.name}: {given!r:.120} has to be a tuple with a text of up to {VALUE_MOST} characters "
                    f"for each of the labels {self.labels}."
                )
            if not isinstance(number, int | float):
                raise ValueError(f"Gauge {self.name}: {number!r:.60} is no number.")  # noqa: TRY004 -- as all of these
