"""The cost of a train step, counted and compiled without running it."""
