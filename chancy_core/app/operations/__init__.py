"""What can be asked of a `Chancy`, a file a noun: each operation once, and whether it may be repeated."""
