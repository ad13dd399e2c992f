"""Face families: generated heads by where they come from, one module each."""
