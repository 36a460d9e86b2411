"""Measurements beside the paper's: `python -m benchmarks.<name> --output results.json`."""
