"""Slow float64 loop versions of the losses, written from the equations alone."""
