"""What migrations make: a file for each owner and version, which never changes, because a migration does not.

A line is a thing: `kind`, `relation`, `name` and `detail`, with tabs between them, as `read_made` reads them. They are
written, after a new migration, by `DOCTOR_MADE=write pytest plugins/doctor/tests/test_drift.py`.
"""
