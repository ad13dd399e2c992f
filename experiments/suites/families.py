r"""Families left out: what a model makes of heads of a family that it never saw.

    smile-jax fetch makehuman
    for family in makehuman ict vitruvian synthetic; do
      for config in heads scans; do
        smile-jax build ${family}_faces --config=$config --data_dir=data
      done
    done
    smile-jax benchmark --suite=experiments/suites/families.py
    python -m experiments.families_table

(`--manual_dir=FOLDER` where ICT-FaceKit and Vitruvian cannot be downloaded.) 120,000
pictures a run, normals alone, 64 pixels. One family alone, tested on all others; all
but one mixed, tested on that one, with heads as they are (`heads`) and with shapes,
cuts and samplings randomised (`scans`). With captions, and except when procedural heads
are left out, the randomised mixture is also run with fewer people of each family, and
with neutral as a seventh class. Tested are the 300 people of `heads` of the families
left out; probes are fitted on the run's training people. `families_table` has the
scores family by family.
"""

from smile_jax.config import Config
from smile_jax.data.mixture import location_of
from smile_jax.evaluation.suite_definition import Suite
from smile_jax.experiments.mixture import FAMILIES, mixture_of

_TEXTS = {
    "captions": "experiments/mixture_captions.py",
    "labels as text": "experiments/mixture.py",
}
_PEOPLE = (32, 100)  # of each family
_FOLDS = 100  # of which one is held out: 297 of 300 people are trained on
_SEVEN = (*Config().data.classes, "neutral")


def get_suite():
    """Returns the suite."""
    return Suite(
        config="experiments/mixture.py",
        methods={
            f"{name}, {text}": {"config": config, **keys}
            for text, config in _TEXTS.items()
            for name, keys in (_mixtures() | _further(text)).items()
        },
        shown=(("zero_shot", "accuracy"), ("linear_probe", "accuracy")),
        protocol="cross",
    )


def _mixtures():
    """Name -> keys of the config and what is tested."""
    found = {}
    for own in FAMILIES:
        others = [name for name in FAMILIES if name != own]
        found[f"{own} alone"] = _keys([own], "heads", others)
        found[f"all but {own}"] = _all_but(own, "heads")
        found[f"all but {own}, randomised"] = _all_but(own, "scans")
    return found


def _further(text):
    """Fewer people, and seven classes: asked of captions alone."""
    if text != "captions":
        return {}
    found = {}
    for own in FAMILIES:
        if own == "synthetic":  # reported, but no part of the target
            continue
        name, randomised = f"all but {own}, randomised", _all_but(own, "scans")
        found[f"{name}, seven classes"] = {**randomised, "data.classes": _SEVEN}
        for people in _PEOPLE:
            keys = {**randomised, "data.train_people": people}
            found[f"{name}, {people} people"] = keys
    return found


def _all_but(own, config):
    return _keys([name for name in FAMILIES if name != own], config, [own])


def _keys(trained, config, tested):
    return {
        "data.mixture": mixture_of(trained, config),
        "data.folds": _FOLDS,
        "test_data": location_of([f"data/{name}_faces/heads" for name in tested]),
    }
