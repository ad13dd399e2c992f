"""Components with the config's defaults, as a run would make them."""

import dataclasses
import operator
from typing import Any

from smile_jax.config import Config


def by_default(kind: type, *sections: str, **fields: Any) -> Any:
    """A dataclass with the defaults of some sections of the config, such as "tune" or
    "objective.smile", and these fields in their places."""
    given: dict[str, Any] = {}
    for section in sections:
        given |= vars(operator.attrgetter(section)(Config()))
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: x for name, x in (given | fields).items() if name in names})
