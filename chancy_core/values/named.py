"""Values whose fields are named when one is given that they do not have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from chancy_core.errors import ChancyError, nearest

_MISSING: Final = re.compile(r"Missing required argument '(\w+)'")


class Named(msgspec.StructMeta):
    """The class of such values' classes: a slip of the pen is refused with the nearest field, and not by Python.

    Not for jobs: a call of their class would take half as long again, and there are many of them.
    """

    #: What is raised.
    refusal: ClassVar[type[ChancyError]]

    if not TYPE_CHECKING:  # where it would take the fields for anything

        def __call__(cls, *args: Any, **fields: Any) -> Any:  # noqa: N805 -- a class of classes
            """Make a value. Raises its `refusal` for a field that it does not have, or that is missing."""
            try:
                return super().__call__(*args, **fields)
            except TypeError as error:
                for name in fields:
                    if name not in cls.__struct_fields__:
                        raise cls.refusal(
                            f"{cls.__name__}({name}=…): there is no such field.{nearest(name, cls.__struct_fields__)}"
                        ) from None
                missing = _MISSING.match(str(error))
                if missing:
                    raise cls.refusal(f"{cls.__name__}(…) needs {missing[1]}, which was not given.") from None
                raise
