"""A run's config: every key with its default, its validation, what is built of it."""

from smile_jax.config.default import (
    Config,
    ConfigError,
    changed,
    get_config,
    typed,
)

__all__ = ["Config", "ConfigError", "changed", "get_config", "typed"]
