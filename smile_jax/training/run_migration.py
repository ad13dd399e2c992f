"""Runs of earlier versions, read as this version would have written them."""

import copy
import pathlib
from collections.abc import Mapping
from typing import Any

from smile_jax.data.dataset import framing_before
from smile_jax.training.checkpoints import CheckpointError

# Of what checkpoints and exports say of their run, keys of the config left out. It
# grows where that changes so that older ones cannot be read as they are.
FORMAT = 6
_OLDEST = 2

# Keys that the config did not always have, with the value with which a run goes on as
# it was.
NEW_KEYS: dict[str, Any] = {
    "objective.name": "smile",  # there was no other method
    "model.vision.kind": "vit",  # there was no other tower
    "data.validation_fold": -1,  # nobody was held out but test people
    "data.dynamic_gain": 1.0,  # they were seen as they are
    "data.frames": 0,  # all that a record held
    "data.sampling": "even",  # as they were stored
    "data.crops": 1,
    "data.folds_from": "",  # people were shuffled
    "augment.speed": 0.0,  # whole clips
    "augment.phase": 0.0,
    "pseudo.min_confidence": 0.0,  # all guesses counted
    "loss.pair_width": 0.0,  # equal captions alone were positives
    "prompts.phrasings": 1,  # each was said in one way
    "data.person_block": 1,  # all clips were shuffled
    "loss.center_people": False,  # term 1 saw clips as they were
    # Of methods that there were not, so nothing reads them:
    "loss.temperature": 0.1,
    "loss.invariance": 25.0,
    "loss.variance": 25.0,
    "loss.covariance": 1.0,
    "loss.num_action_units": 22,
    "loss.negative_focus": 0.0,
    "model.temporal_depth": 2,
    "model.temporal_heads": 4,
    "loss.false_negatives": "attract",
    "loss.alike": 0.9,
    "loss.attraction": 0.8,
    "loss.sigmoid_bias": -2.71,
    "loss.pair_weight": 1.0,
    "loss.pair_scale": 10.0,
    "loss.sure": 0.6,
    "loss.consistency": 1.0,
    "loss.margin": 0.001,
    "loss.clusters": 32,
    "loss.queue_batches": 8,
    "loss.clustering_from": 0,
    "loss.contrasting": 1.0,
    "loss.clustering": 1.0,
    "loss.reconstruction": 1.0,
    "loss.decoder_width": 128,
    "loss.decoder_depth": 4,
    "loss.decoder_heads": 4,
    # Switched off, as there was no such thing:
    "data.moments": False,
    "data.people": 0,
    "data.intensities": (),
    "augment.copies": 1,
    "data.train_people": 0,
    "data.complete_people": False,
    "data.transductive": False,
    "model.cross_view": False,
    "train.evaluate_every": 0,
    "train.check_replicas": False,
    "train.term_gradients": False,
    "train.profile": "",
}

# Keys that were one with another, whose value they take.
SPLIT_KEYS = {"loss.redundancy_off_diagonal": "loss.off_diagonal"}


def upgrade(info: Mapping[str, Any], where: Any) -> dict[str, Any]:
    """A checkpoint's words on its run, as this version writes them.

    Raises:
      CheckpointError: it is too old, or of a newer version.
    """
    found = info.get("format", 1)
    if not _OLDEST <= found <= FORMAT:
        raise CheckpointError(
            f"{where}: of another version (format {found}, this one reads {_OLDEST} to "
            f"{FORMAT}); train it again, or use the version that wrote it"
        )
    new = copy.deepcopy(dict(info))
    if found < 3:  # settings of SMILE's heads were the model's
        model = new["model"]
        model["private"] = model.pop("redundancy") == "private"
        model["vision"]["kind"] = "vit"
        del model["projector_dim"], model["num_classes"]
        new["versions"] = {}  # they were in the run's folder alone
    if found < 4:  # heads were framed by what there was
        rendering = new["rendering"]
        # <data_dir>/<name>/<config>/<version>
        rendering["framing"] = framing_before(
            pathlib.PurePath(new["dataset"]).parts[-3]
        )
        rendering["extents_mm"] = None
        new["people"] = new["contents"] = ""
    if found < 5:  # of time there were two kinds, and no seconds
        kind = new["model"]["temporal"]
        new["model"]["temporal"] = {"kind": kind, "depth": 2, "heads": 4, "gain": 1.0}
        new["rendering"]["motion"] = False
    if found < 6:  # nobody said what was done to motion; views did not attend
        new["model"]["cross_view"] = False
        new["rendering"] |= dict.fromkeys(("still", "magnify", "band_hz"))
    config = new["config"]
    for key, value in NEW_KEYS.items():
        _section_of(key, config).setdefault(key.split(".")[-1], value)
    for key, other in SPLIT_KEYS.items():
        value = _section_of(other, config)[other.split(".")[-1]]
        _section_of(key, config).setdefault(key.split(".")[-1], value)
    new.setdefault("data_position", 0)
    return new | {"format": FORMAT}


def _section_of(key: str, config: dict[str, Any]) -> dict[str, Any]:
    """The part of a nested config that has a dotted key."""
    for part in key.split(".")[:-1]:
        config = config.setdefault(part, {})
    return config
