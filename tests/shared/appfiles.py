"""The files of an application that a page shows."""

from __future__ import annotations

import shutil
from pathlib import Path

from docpages import BLOCK, ROOT


def write_app(page: str, folder: Path, module: str) -> tuple[str, str]:
    """Write what a page of how-to shows of the package `app`, and beside it a module of the tests.

    Returns:
        What Python takes to run the module's `main`: as a module, because child processes import it as well.
    """
    files = {title: code for _, title, _, code in BLOCK.findall((ROOT / "docs" / "how-to" / page).read_text())}
    (folder / "app").mkdir()
    (folder / "app" / "__init__.py").touch()
    for title, code in files.items():
        if title.startswith("app/"):
            (folder / title).write_text(code)
    shutil.copy(Path(__file__).parent / f"{module}.py", folder)
    return "-c", f"import asyncio, {module}; asyncio.run({module}.main())"
