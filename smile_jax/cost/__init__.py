"""What a train step costs, counted and compiled without running it."""
