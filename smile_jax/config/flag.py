"""The config that a command's `--config` names."""

from typing import Any

from smile_jax.config.default import Config, ConfigError, typed
from smile_jax.errors import in_a_line


def config_of(flag: Any) -> Config:
    """The value of `config_flags.DEFINE_config_file`, typed.

    Raises:
      ConfigError: its file is missing or has keys that there are not.
    """
    try:
        return typed(flag.value)
    except (OSError, AttributeError, KeyError, TypeError) as error:
        raise ConfigError(f"--config: {in_a_line(error)}") from error
