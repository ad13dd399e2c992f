r"""Answers of runs to scans that are worse than those they learned from.

    python -m experiments.robustness --workdir=runs/procedural \
        [--workdir=runs/weak ...] [--ict=ARCHIVE] [--out=CSV]

Heads of new people perform the six expressions at the third intensity; each fault of
`smile_jax.faces.scan_faults` is done to all of them in five strengths. What cannot be
read counts as wrong. Beside each run's zero-shot answers, and its linear probe where it
was evaluated, stands a linear probe on principal components of the pixels, fitted to
other heads without faults. Runs see the same pictures, so they must have been trained
on datasets that were built alike. In the table stand the accuracy without fault, and of
each fault the mean error over strengths and its ratio to that of the pixels (Hendrycks
and Dietterich, 2019); every strength is in the CSV.
"""

import csv
import pathlib
import tempfile
from collections.abc import Callable, Sequence

import jax
import numpy as np
from absl import flags
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import smile_jax
from smile_jax.config.factories import knows_words
from smile_jax.core import command_line
from smile_jax.core.workers import run_in_threads
from smile_jax.data.time_windows import stacked
from smile_jax.evaluation.corruption_errors import table
from smile_jax.experiments.heads import unseen_head
from smile_jax.faces import EXPRESSIONS, load_face_model
from smile_jax.faces.scan_faults import FAULTS, STRENGTHS, add_fault
from smile_jax.inference.input_files import clip_of
from smile_jax.inference.recognizer import Question, Recognizer
from smile_jax.mesh import Mesh, MeshError
from smile_jax.mesh.writers import write_ply

_WORKDIRS = flags.DEFINE_multi_string("workdir", None, "A run's.", required=True)
_ICT = flags.DEFINE_string("ict", "", "ICT-FaceKit tree or archive; else procedural.")
_HEADS = flags.DEFINE_integer("heads", 120, "To test on.", 6)
_FITTED = flags.DEFINE_integer("fitted", 600, "That the pixels' probe is fitted to.", 6)
_OUT = flags.DEFINE_string("out", "", "CSV of every strength.")

_SIX = tuple(name for name in EXPRESSIONS if name != "neutral")
_COMPONENTS = 256
_STRENGTHS = tuple(10.0**k for k in range(-4, 3))

Answers = Callable[[dict[str, np.ndarray]], Sequence[str]]  # of a batch of pictures


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    runs = {pathlib.Path(x).name: smile_jax.load(x) for x in _WORKDIRS.value}
    (first, *others) = runs.values()
    for name, run in zip(list(runs)[1:], others, strict=True):
        if run.info.rendering != first.info.rendering:
            raise ValueError(f"{name}: it sees other pictures than {next(iter(runs))}")
    model = load_face_model(_ICT.value)

    def heads(numbers: range) -> tuple[list[Mesh], list[str]]:
        names = [_SIX[i % len(_SIX)] for i in numbers]
        made = [
            unseen_head(model, name, (11, i))
            for i, name in zip(numbers, names, strict=True)
        ]
        return made, names

    tested, truth = heads(range(_HEADS.value))
    ways = {"pixels_pca": _pixels(first, *heads(_others()))}
    for name, run in runs.items():
        ways |= _ways(name, run)
    rows = []
    for kind in ("none", *FAULTS):
        for strength in STRENGTHS if kind in FAULTS else (0,):
            seen = tested
            if kind in FAULTS:
                seen = [
                    add_fault(
                        head, kind, strength, np.random.default_rng([strength, i])
                    )
                    for i, head in enumerate(tested)
                ]
            right = _right(first, ways, seen, truth)
            rows += [
                {"fault": kind, "strength": strength, "method": name, "accuracy": x}
                for name, x in right.items()
            ]
            print(f"{kind} {strength}", flush=True)
    print(table(rows, list(ways)))
    if _OUT.value:
        with pathlib.Path(_OUT.value).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _others() -> range:
    """Numbers of the heads that the pixels' probe is fitted to."""
    return range(_HEADS.value, _HEADS.value + _FITTED.value)


def _pixels(run: Recognizer, heads: list[Mesh], truth: list[str]) -> Answers:
    """A probe on what a run sees; its strength is chosen by parts of these heads."""
    there, batch = _pictures(run, heads)
    line = make_pipeline(
        StandardScaler(),
        PCA(min(_COMPONENTS, len(there) * 2 // 3), random_state=0),
        LogisticRegression(max_iter=2000),
    )
    probe = GridSearchCV(line, {"logisticregression__C": _STRENGTHS}, cv=3)
    probe.fit(_flat(batch), [truth[i] for i in there])
    return lambda batch: probe.predict(_flat(batch))


def _flat(batch: dict[str, np.ndarray]) -> np.ndarray:
    views = batch["views"]
    return views.reshape(len(views), -1) / np.float32(255)


def _ways(name: str, run: Recognizer) -> dict[str, Answers]:
    """Returns the ways in which a run can be asked."""
    questions: dict[str, Question] = {}
    if knows_words(run.info.config):
        questions["zero-shot"] = run.question()
    if run.known is not None:
        questions["probe"] = run.question(head="probe")

    def answers(question: Question) -> Answers:
        columns = [question.names.index(x) for x in _SIX]

        def ask(batch: dict[str, np.ndarray]) -> list[str]:
            out, _ = jax.device_get(run.embed(batch))
            shares = run.probabilities(out, question)[:, columns]
            return [_SIX[k] for k in shares.argmax(axis=1)]

        return ask

    return {f"{name}, {way}": answers(q) for way, q in questions.items()}


def _pictures(
    run: Recognizer, heads: list[Mesh]
) -> tuple[list[int], dict[str, np.ndarray]]:
    """Which heads can be read, and what a run sees of them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / f"{i}.ply" for i in range(len(heads))]
        for path, head in zip(paths, heads, strict=True):
            write_ply(path, head)

        def read(path: pathlib.Path) -> dict | None:
            try:
                return run.reader.read(clip_of(path)).batch
            except MeshError:
                return None

        seen = list(run_in_threads(read, paths))
    there = [i for i, picture in enumerate(seen) if picture is not None]
    return there, stacked([seen[i] for i in there]) if there else {}


def _right(
    run: Recognizer, ways: dict[str, Answers], heads: list[Mesh], truth: list[str]
) -> dict[str, float]:
    """Shares of the heads that each way has right."""
    there, batch = _pictures(run, heads)
    if not there:
        return dict.fromkeys(ways, 0.0)
    names = [truth[i] for i in there]
    return {
        name: sum(a == t for a, t in zip(ask(batch), names, strict=True)) / len(heads)
        for name, ask in ways.items()
    }


if __name__ == "__main__":
    command_line.run(main)
