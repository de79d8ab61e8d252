"""A module that cannot be imported, as after a deploy that forgot a dependency."""

raise RuntimeError("no licence")
