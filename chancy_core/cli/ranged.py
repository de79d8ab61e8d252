"""Options that are numbers: their ranges are those of the values and the settings that they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import click

from chancy_core.values.ranges import Range

if TYPE_CHECKING:
    Number: TypeAlias = click.ParamType[float]
else:  # older versions of click are no generics
    Number = click.ParamType


class Ranged(Number):
    """A number in a range.

    Not click's own `FloatRange`, which takes `nan` for a number between any two.

    Attributes:
        range_: the range.
    """

    name = "number"

    def __init__(self, range_: Range) -> None:
        self.range_ = range_

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002 -- click's
        """What stands for it in the help."""
        return "INTEGER" if self.range_.whole else "NUMBER"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that was written; a default may be one already."""
        try:
            number = int(str(value)) if self.range_.whole else float(str(value))
        except ValueError:
            number = float("nan")
        if not self.range_.holds(number):
            self.fail(f"{str(value)[:60]!r}: give {self.range_.expected}.", param, ctx)
        return number
