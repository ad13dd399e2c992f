"""Protocols, embeddings, probes, zero-shot, metrics and the report."""
