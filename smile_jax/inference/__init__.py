"""A trained model on mesh files: read, rendered, answered, exported."""
