"""Which version this is."""

from typing import Final

# Written here as well as in pyproject.toml, and compared by a test. Every worker tells it in its tags, and to ask for
# the version that is installed loads twelve modules.
VERSION: Final = "0.1.0"
