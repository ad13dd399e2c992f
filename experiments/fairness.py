"""Whom runs serve worse: scores by group of people, and how sure answers are.

    python -m experiments.fairness --workdir=runs/weak [--workdir=runs/demo ...] \
        [--ict=ARCHIVE] [--out=CSV]

Of evaluated runs. Groups are by gender and ethnicity where file names tell them, and of
generated people, of whom more is known, by the lightness of their skin and by how far
their identity lies from the mean of the face model, in thirds of the test people
(`--ict`: the archive that the dataset was built from). Each cell has accuracy and
expected calibration error; the gap is that of the best and the worst group, with a 95 %
bootstrap interval over people: where it holds 0, it may be chance.
"""

import csv
import json
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from absl import flags
from etils import epath

from smile_jax.core import command_line
from smile_jax.data.face_model_builder import CONFIGS, person_of
from smile_jax.data.mixture import open_location
from smile_jax.evaluation.group_scores import Answers, GroupScores, by_group, thirds
from smile_jax.evaluation.tables import from_csv, markdown
from smile_jax.faces import FaceModel, load_face_model
from smile_jax.faces.sampling import Subject

_WORKDIRS = flags.DEFINE_multi_string("workdir", None, "Evaluated run.", required=True)
_ICT = flags.DEFINE_string("ict", "", "ICT-FaceKit tree or archive, of its datasets.")
_VITRUVIAN = flags.DEFINE_string("vitruvian", "", "Vitruvian's, likewise.")
_OUT = flags.DEFINE_string("out", "", "CSV of every group, with its attribute's gap.")

_LUMA = np.array([0.2126, 0.7152, 0.0722])
_ASKED = ("linear_probe", "zero_shot")


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    rows = []
    for workdir in map(pathlib.Path, _WORKDIRS.value):
        results = json.loads((workdir / "eval/results.json").read_text())
        groups = dict(groups_of(results["dataset"], results["test_subjects"]))
        clips = [c for c in from_csv(workdir / "eval/predictions.csv") if c["label"]]
        for evaluation in _ASKED:
            answers = _answers(clips, f"smile/{evaluation}")
            for attribute, group_of in groups.items() if answers else ():
                assert answers is not None
                if found := by_group(answers, group_of):
                    rows.append((workdir.name, evaluation, attribute, found))
    if not rows:
        raise ValueError("nothing is known of these people that groups them")
    print(
        markdown(["run", "asked", "groups: accuracy (ECE)", "gap"], [*map(_line, rows)])
    )
    if _OUT.value:
        with pathlib.Path(_OUT.value).open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(
                ["run", "evaluation", "attribute", "group", "people", "clips",
                 "accuracy", "calibration_error", "gap", "gap_low", "gap_high"]
            )  # fmt: skip
            for run, evaluation, attribute, found in rows:
                gap = [f"{x:.4f}" for x in (found.gap, found.low, found.high)]
                for name, g in found.groups.items():
                    writer.writerow(
                        [run, evaluation, attribute, name, g.people, g.clips,
                         f"{g.accuracy:.4f}", f"{g.calibration_error:.4f}", *gap]
                    )  # fmt: skip


def groups_of(
    folder: str, subjects: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Attribute, and the group of each person, of some people of a dataset."""
    dataset = open_location(folder)
    records = dataset.open_records(pixels=False)
    first = {str(s): i for i, s in reversed([*enumerate(dataset.subjects)])}
    told = {name: records[first[name]] for name in subjects}
    for attribute in ("gender", "ethnicity"):
        groups = {name: r[attribute].decode() for name, r in told.items()}
        if set(groups.values()) != {"unknown"}:
            yield attribute, groups
    name, config = epath.Path(dataset.path).parts[-3:-1]
    known = {c.name: c for c in CONFIGS}
    source = {
        "synthetic_faces": "procedural",
        "makehuman_faces": "makehuman",
        "ict_faces": _ICT.value,
        "vitruvian_faces": _VITRUVIAN.value,
    }.get(name, "")
    if not source or config not in known:
        return
    model = load_face_model(source, known[config].identity_modes)
    people = {s: person_of(known[config], model, s) for s in subjects}
    skin = model.skin / model.skin.sum()
    yield (
        "skin",
        thirds(
            {s: float(skin @ p.colors @ _LUMA) for s, p in people.items()},
            ("dark", "middle", "light"),
        ),
    )
    yield (
        "identity",
        thirds(
            {s: _from_mean_mm(p, model) for s, p in people.items()},
            ("near the mean", "between", "far from it"),
        ),
    )


def _from_mean_mm(subject: Subject, model: FaceModel) -> float:
    """Root mean square over a person's points."""
    return float(np.sqrt(((subject.person.rest - model.mean) ** 2).sum(axis=1).mean()))


def _answers(clips: Sequence[dict[str, str]], column: str) -> Answers | None:
    sure = f"{column}/confidence"
    if not clips or sure not in clips[0] or not clips[0][sure]:
        return None
    return Answers(
        [c["subject"] for c in clips],
        np.array([c[column] == c["label"] for c in clips]),
        np.array([float(c[sure]) for c in clips]),
    )


def _line(row: tuple[str, str, str, GroupScores]) -> list[str]:
    run, evaluation, attribute, found = row
    cells = [
        f"{name} {g.accuracy:.3f} ({g.calibration_error:.3f})"
        for name, g in found.groups.items()
    ]
    gap = f"{found.gap:.3f} ({found.low:+.3f} to {found.high:+.3f})"
    return [run, evaluation, f"{attribute}: {', '.join(cells)}", gap]


if __name__ == "__main__":
    command_line.run(main)
