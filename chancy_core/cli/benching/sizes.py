"""Sizes as people write them: `500`, `2kB`, `1MiB`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from typing import TypeAlias

    _Sizes: TypeAlias = click.ParamType[int]
else:  # older versions of click are no generics
    _Sizes = click.ParamType

_PATTERN: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?) ?([kKmM]?)(i?)[bB]?")
_UNITS: Final = {"": 0, "k": 1, "m": 2}


class Size(_Sizes):
    """A number of bytes: `500`, `2kB` (2,000), `2KiB` (2,048), `1MB`."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number that was written; a default may be one already."""
        found = _PATTERN.fullmatch(str(value).strip())
        if found is None or (found[3] and not found[2]):
            self.fail(f"{str(value)[:60]!r} is no size: give bytes, such as 500, 2kB, 2KiB or 1MB.", param, ctx)
        unit: int = (1024 if found[3] else 1000) ** _UNITS[found[2].lower()]
        return round(float(found[1]) * unit)
