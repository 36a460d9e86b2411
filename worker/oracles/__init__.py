"""Solvers that workers run for a source: a command, its input files, its limits, and the label that comes out."""
