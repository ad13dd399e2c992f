"""Example schema, base builders, input pipeline, augmentation and prompts."""
