"""Runs Django's own tests of its tasks against `ChancyBackend`: `python djangos_own.py SDIST FOLDER DSN`.

They are taken out of Django's source distribution, and read with the bundled backends' names exchanged for the one
below; those that are about a bundled backend itself are left out, by name. For Django 5.2 they are those of 6.0, with
the names of the backport.
"""

from __future__ import annotations

import os
import re
import sys
import tarfile
from pathlib import Path

import django

LEFT_OUT = {
    # They change the list in which DummyBackend keeps its results.
    "test_clear",
    "test_refresh_result",
    "test_refresh_result_async",
    # Looks from async code without awaiting it, which a backend with a database refuses.
    "test_get_missing_result",
    # About what Python says of abstract methods from 3.12 on.
    *({"test_no_enqueue"} if sys.version_info < (3, 12) else ()),
}
BACKEND = '''
from chancy_django import ChancyBackend


class DummyBackend(ChancyBackend):
    """With what the tests ask of a backend that keeps results in a list."""

    results = []

    def clear(self):
        self.results = []

    def enqueue(self, task, args, kwargs):
        result = super().enqueue(task, args, kwargs)
        self.results.append(result)
        return result
'''
BACKPORT = [
    (r"django\\.tasks", "django_tasks"),
    (r"\bdjango\.tasks\b", "django_tasks"),
    (r"\bInvalidTaskBackend\b", "InvalidTaskBackendError"),
    (r"\bInvalidTask\b", "InvalidTaskError"),
    ("Backend does not support async Tasks", "Backend does not support async tasks"),
]


def take(sdist: Path, folder: Path) -> None:
    """Lay the tests into a folder, as the package `tasks`."""
    with tarfile.open(sdist) as archive:
        for member in archive.getmembers():
            found = re.fullmatch(r"[^/]+/tests/tasks/(\w+\.py)", member.name)
            if found is None or found[1] == "test_immediate_backend.py":
                continue
            source = archive.extractfile(member)
            assert source is not None
            text = source.read().decode()
            for pattern, new in [
                (r"django\.tasks\.backends\.dummy(?=\.DummyBackend| import)", "chancys"),
                (r"\bSimpleTestCase\b", "TestCase"),
                *(BACKPORT if django.VERSION < (6, 0) else []),
                *((rf"def {name}\b", f"def left_out_{name}") for name in LEFT_OUT),
            ]:
                text = re.sub(pattern, new, text)
            (folder / "tasks").mkdir(exist_ok=True)
            (folder / "tasks" / found[1]).write_text(text)
    (folder / "chancys.py").write_text(BACKEND)


def main() -> None:
    """Run them."""
    sdist, folder, dsn = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    take(sdist, folder)
    os.environ.update(SHOP_DSN=dsn, SHOP_SCHEMA="public", DJANGO_SETTINGS_MODULE="shop.settings")
    sys.path[:0] = [str(folder), str(Path(__file__).parent)]
    from django.conf import settings
    from django.test.utils import get_runner

    settings.DATABASES["default"]["TEST"] = {"NAME": f"test_own_{os.getpid()}"}
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "tasks"]
    django.setup()
    sys.exit(bool(get_runner(settings)(verbosity=1, interactive=False).run_tests(["tasks"])))


if __name__ == "__main__":
    main()
