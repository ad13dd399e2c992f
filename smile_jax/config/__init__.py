"""A run's config: every key with its default, its validation, what is built of it."""

from smile_jax.config.default import (
    Config,
    ConfigError,
    get_config,
    to_config,
    with_values,
)

__all__ = ["Config", "ConfigError", "get_config", "to_config", "with_values"]
