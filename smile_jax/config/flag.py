"""The config that a command's `--config` names."""

import difflib
import re
from typing import Any

from absl import flags
from ml_collections import config_flags

from smile_jax.config.default import Config, ConfigError, all_keys, to_config
from smile_jax.core.errors import in_a_line
from smile_jax.core.own_files import find_own

_KEY = re.compile(r"--?config\.([\w.]+)")
_MOST_HINTS = 3


def complete_config(argv: list[str]) -> list[str]:
    """Completes the name in `--config=NAME` to the path of that experiment.

    Raises:
      ConfigError: a key that the command line sets does not exist.
    """
    found = list(argv)
    for i, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if key := _KEY.fullmatch(name):
            _check_key(name, key[1])
        if name not in ("--config", "-config"):
            continue
        if equals:
            found[i] = f"{name}={find_own(value)}"
        elif i + 1 < len(argv):
            found[i + 1] = find_own(argv[i + 1])
    return found


def _check_key(flag: str, key: str) -> None:
    """Refuses a key that does not exist; names one that is meant."""
    keys = all_keys()
    if key in keys or any(name.startswith(f"{key}.") for name in keys):
        return
    last = key.rpartition(".")[2]
    near = [name for name in keys if name.rpartition(".")[2] == last]
    near = near or difflib.get_close_matches(key, keys, n=1)
    words = " or ".join(f"config.{name}" for name in near[:_MOST_HINTS])
    hint = (
        f"did you mean {words}?" if near else "smile_jax/config/default.py lists them"
    )
    raise ConfigError(f"{flag}: there is no such key; {hint}")


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
