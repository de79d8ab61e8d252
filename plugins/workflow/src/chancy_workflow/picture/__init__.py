"""Workflows and runs as pictures: what is in one (`graph`), how it is kept small (`folding`), and where it stands."""
