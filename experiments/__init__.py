"""Experiments: configs, benchmarks and the scripts that make the documents."""
