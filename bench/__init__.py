"""Benchmarks: each prints ratios against the physical limit, measured in the same run."""
