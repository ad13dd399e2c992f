"""Train state, the pmapped step, optimiser, loop, checkpoints and metrics."""
