"""The kernel of Chancy: it stores jobs and hands them out. Everything else is a plugin."""
# ruff: noqa: PTH110, PTH118, PTH120 -- pathlib takes ten times as long to load as all of this

import sys
from os.path import dirname, exists, join

# Two looks at the disk, some microseconds, for every process: see `beside`.
_PUBLIC = join(dirname(dirname(__file__)), "chancy")
_IMPORTED = sys.modules.get("chancy")
if (
    exists(join(_PUBLIC, "app.py"))
    or not exists(join(_PUBLIC, "__init__.py"))
    or (_IMPORTED is not None and dirname(_IMPORTED.__file__ or "") != _PUBLIC)
):
    from chancy_core.beside import warn

    warn()
