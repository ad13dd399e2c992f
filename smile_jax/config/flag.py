"""The config that a command's `--config` names."""

from typing import Any

from absl import flags
from ml_collections import config_flags

from smile_jax.config.default import Config, ConfigError, to_config
from smile_jax.core.errors import in_a_line
from smile_jax.core.own_files import find_own


def complete_config(argv: list[str]) -> list[str]:
    """Completes the name in `--config=NAME` to the path of that experiment."""
    found = list(argv)
    for i, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name not in ("--config", "-config"):
            continue
        if equals:
            found[i] = f"{name}={find_own(value)}"
        elif i + 1 < len(argv):
            found[i + 1] = find_own(argv[i + 1])
    return found


def config_of(flag: Any) -> Config:
    """Returns the typed value of a flag of `config_flags.DEFINE_config_file`.

    A duration given on the command line, in steps or in epochs, replaces the file's,
    whichever unit that has.

    Raises:
      ConfigError: its file is missing or has keys that there are not.
    """
    try:
        given = config_flags.get_override_values(flags.FLAGS[flag.name])
        for name, other in (("steps", "epochs"), ("epochs", "steps")):
            if given.get(f"train.{name}") and f"train.{other}" not in given:
                flag.value.train[other] = type(flag.value.train[other])(0)
        return to_config(flag.value)
    except (OSError, AttributeError, KeyError, TypeError) as error:
        raise ConfigError(f"--config: {in_a_line(error)}") from error
