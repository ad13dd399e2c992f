"""Runs of earlier versions, read as this version would have written them."""

import copy
from typing import Any

from smile_jax.training.checkpoints import CheckpointError

# Of what checkpoints and exports say of their run, the config's keys too. It grows
# where that changes so that older ones cannot be read as they are.
FORMAT = 3
_OLDEST = 2

# Keys that the config did not always have, with the value with which a run goes on as
# it was.
NEW_KEYS: dict[str, Any] = {
    "objective.name": "smile",  # there was no other method
    "loss.temperature": 0.1,  # of methods that there were not
    "loss.invariance": 25.0,
    "loss.variance": 25.0,
    "loss.covariance": 1.0,
    "loss.num_action_units": 22,
}


def upgrade(info: dict[str, Any], where: Any) -> dict[str, Any]:
    """What a checkpoint says of its run, as this version says it.

    Raises:
      CheckpointError: it is too old, or of a newer version.
    """
    found = info.get("format", 1)
    if not _OLDEST <= found <= FORMAT:
        raise CheckpointError(
            f"{where}: of another version (format {found}, this one reads {_OLDEST} to "
            f"{FORMAT}); train it again, or use the version that wrote it"
        )
    info = copy.deepcopy(info)
    if found < 3:  # settings of SMILE's heads were the model's
        model = info["model"]
        model["private"] = model.pop("redundancy") == "private"
        del model["projector_dim"], model["num_classes"]
    for key, value in NEW_KEYS.items():
        section, name = key.split(".")
        info["config"].setdefault(section, {}).setdefault(name, value)
    return info | {"format": FORMAT}
