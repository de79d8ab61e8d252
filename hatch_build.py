"""Says in the wheel's metadata which distribution this one takes the place of.

`pyproject.toml` has no field for that, the metadata of a distribution has: `Obsoletes-Dist`.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Chancy 0, which brings the same package. This one has no version 1 yet, and will never be called that.
OBSOLETES: Final = "Obsoletes-Dist: chancy (<1)\n"


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds the line when a wheel has been built."""

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Write the wheel anew, with the line in its metadata and the right checksum in its record."""
        wheel = Path(artifact_path)
        with zipfile.ZipFile(wheel) as built:
            files = {info: built.read(info) for info in built.infolist()}
        metadata = next(info for info in files if info.filename.endswith(".dist-info/METADATA"))
        record = next(info for info in files if info.filename.endswith(".dist-info/RECORD"))
        head, blank, text = files[metadata].decode().partition("\n\n")
        files[metadata] = f"{head}\n{OBSOLETES}{blank[1:]}{text}".encode()
        files[record] = _recorded(files[record].decode(), metadata.filename, files[metadata]).encode()
        with zipfile.ZipFile(wheel, "w") as written:
            for info, content in files.items():
                written.writestr(info, content)


def _recorded(record: str, name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    line = f"{name},sha256={digest},{len(content)}"
    return "".join(f"{line}\n" if row.startswith(f"{name},") else row for row in record.splitlines(keepends=True))
