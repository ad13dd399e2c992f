"""Migrates runs of earlier versions to what this version would have written."""

import copy
import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from smile_jax.config.default import ObjectiveKeys
from smile_jax.data.dataset import framing_before
from smile_jax.training.checkpoints import CheckpointError

# Of what checkpoints and exports say of their run, keys of the config left out. It
# grows where that changes so that older ones cannot be read as they are.
FORMAT = 8
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
    "objective.smile.pair_width": 0.0,  # equal captions alone were positives
    "prompts.phrasings": 1,  # each was said in one way
    "data.person_block": 1,  # all clips were shuffled
    "objective.smile.center_people": False,  # term 1 saw clips as they were
    "objective.smile.center_datasets": False,
    "objective.smile.negatives_within": False,
    "objective.smile.negative_focus": 0.0,
    "model.temporal_depth": 2,
    "model.temporal_heads": 4,
    # Switched off, as there was no such thing:
    "data.moments": False,
    "data.mixture": (),
    "data.people": 0,
    "data.intensities": (),
    "augment.copies": 1,
    "data.train_people": 0,
    "data.complete_people": False,
    "data.transductive": False,
    "data.local_mean": 0.0,
    "evaluation.views": 0,
    "model.cross_view": False,
    "train.evaluate_every": 0,
    "train.check_replicas": False,
    "train.term_gradients": False,
    "train.profile": "",
    # Settings of methods that there were not, so nothing reads them:
    "objective.infonce.temperature": 0.1,
    "objective.shu.temperature": 0.1,
    "objective.shu.false_negatives": "attract",
    "objective.shu.alike": 0.9,
    "objective.shu.attraction": 0.8,
    "objective.siglip.sigmoid_bias": -2.71,
    "objective.multiview.pair_weight": 1.0,
    "objective.multiview.pair_scale": 10.0,
    "objective.multiview.sure": 0.6,
    "objective.vicreg.invariance": 25.0,
    "objective.vicreg.variance": 25.0,
    "objective.vicreg.covariance": 1.0,
    "objective.facet.consistency": 1.0,
    "objective.conclugen.temperature": 0.1,
    "objective.conclugen.margin": 0.001,
    "objective.conclugen.clusters": 32,
    "objective.conclugen.queue_batches": 8,
    "objective.conclugen.clustering_from": 0,
    "objective.conclugen.contrasting": 1.0,
    "objective.conclugen.clustering": 1.0,
    "objective.conclugen.reconstruction": 1.0,
    "objective.mae.decoder_width": 128,
    "objective.mae.decoder_depth": 4,
    "objective.mae.decoder_heads": 4,
    "objective.action_units.num_action_units": 22,
}

# Keys that were one with another, whose value they take.
SPLIT_KEYS = {"objective.smile.redundancy_off_diagonal": "objective.smile.off_diagonal"}


def upgrade(info: Mapping[str, Any], where: Any) -> dict[str, Any]:
    """Returns a checkpoint's description of its run as this version writes it.

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
    if found < 7:  # settings of all methods were one section
        _part_methods(config)
    if found < 8:  # of convolutional towers there was one kind
        for vision in (new["model"]["vision"], config["model"]["vision"]):
            if vision.get("kind") == "conv":
                vision |= {"stem": "conv", "pool": "mean"}
    for key, value in NEW_KEYS.items():
        _section_of(key, config).setdefault(key.split(".")[-1], value)
    for key, other in SPLIT_KEYS.items():
        value = _section_of(other, config)[other.split(".")[-1]]
        _section_of(key, config).setdefault(key.split(".")[-1], value)
    new.setdefault("data_position", 0)
    return new | {"format": FORMAT}


def _part_methods(config: dict[str, Any]) -> None:
    """Gives each method its own section of what was `config["loss"]`."""
    every = config.pop("loss") | {"redundancy_mode": config["model"].pop("redundancy")}
    objective = config.setdefault("objective", {})
    unknown = set(every)
    for field in dataclasses.fields(ObjectiveKeys):
        if dataclasses.is_dataclass(field.type):
            names = {key.name for key in dataclasses.fields(field.type)}
            objective[field.name] = {k: x for k, x in every.items() if k in names}
            unknown -= names
    # What no method has is refused by name when the config is read, not dropped.
    objective |= {k: every[k] for k in unknown}


def _section_of(key: str, config: dict[str, Any]) -> dict[str, Any]:
    """The part of a nested config that has a dotted key."""
    for part in key.split(".")[:-1]:
        config = config.setdefault(part, {})
    return config
