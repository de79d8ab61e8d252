"""`python -m chancy_core.cli`."""

from chancy_core.cli import main

main()
