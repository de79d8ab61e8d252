"""The `chancy` command, where only the plugins of one folder are installed: `cli_child.py FOLDER ARGUMENT…`."""

import sys

import importlib_metadata

folder = sys.argv[1]
sys.path.insert(0, folder)


def entry_points(**selection: str) -> importlib_metadata.EntryPoints:
    found = [point for dist in importlib_metadata.distributions(path=[folder]) for point in dist.entry_points]
    return importlib_metadata.EntryPoints(found).select(**selection)


if __name__ == "__main__":
    importlib_metadata.entry_points = entry_points
    from chancy_core.cli import main

    sys.argv = ["chancy", *sys.argv[2:]]
    main()
