"""Suites: what `python -m smile_jax.benchmark` compares."""
