"""The column `options` of a job."""

from __future__ import annotations

from typing import Final

import msgspec

from chancy_core.values.backoff import Backoff


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields of a job that few jobs set, in one column that most rows leave empty."""

    backoff: Backoff | None = None
    keep_result: bool = True
    retry_on: tuple[str, ...] = ()
    give_up_on: tuple[str, ...] = ()


decode_options: Final = msgspec.json.Decoder(Options | None).decode
