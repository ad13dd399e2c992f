"""Components with the config's defaults, as a run would make them."""

from typing import Any

from smile_jax.config import Config
from smile_jax.config.factories import by_field_name


def by_default(kind: type, *sections: str, **fields: Any) -> Any:
    """A dataclass with the defaults of some sections of the config, such as "loss", and
    these fields in their places."""
    values = [vars(getattr(Config(), section)) for section in sections]
    return by_field_name(kind, *values, fields)
