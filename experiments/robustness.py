"""What is left of a run's answers when scans are worse than those it learned from.

    python -m experiments.robustness --workdir=runs/demo [--ict=ARCHIVE] [--out=CSV]

Heads of new people perform the six expressions at the third intensity; each fault of
`smile_jax.faces.faults` is done to all of them in five strengths. What cannot be read
counts as wrong. Beside the run's zero-shot answers, and its linear probe where it was
evaluated, stands a linear probe on principal components of the pixels, fitted to other
heads without faults. `error` is the mean over strengths, `relative` its ratio to that
of the pixels (Hendrycks and Dietterich, 2019).
"""

import csv
import pathlib
import tempfile
from collections.abc import Iterator

import jax
import numpy as np
from absl import flags
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import smile_jax
from smile_jax import commands
from smile_jax.data.windows import stacked
from smile_jax.faces import EXPRESSIONS, Difficulty, FaceModel, load_face_model
from smile_jax.faces.faults import FAULTS, STRENGTHS, damaged
from smile_jax.faces.sampling import sample_clip, sample_subject
from smile_jax.inference.recognizer import Question, Recognizer
from smile_jax.mesh import Mesh, MeshError
from smile_jax.mesh.writers import write_ply
from smile_jax.workers import run_in_threads

_WORKDIR = flags.DEFINE_string("workdir", None, "A run's folder.", required=True)
_ICT = flags.DEFINE_string("ict", "", "ICT-FaceKit tree or archive; else procedural.")
_HEADS = flags.DEFINE_integer("heads", 120, "To test on.", 6)
_FITTED = flags.DEFINE_integer("fitted", 600, "That the pixels' probe is fitted to.", 6)
_OUT = flags.DEFINE_string("out", "", "CSV of every strength.")

_SIX = tuple(name for name in EXPRESSIONS if name != "neutral")
_COMPONENTS = 256


def main(argv: list[str]) -> None:
    commands.no_words(argv)
    run, model = smile_jax.load(_WORKDIR.value), load_face_model(_ICT.value)
    fitted = list(_heads(model, range(_HEADS.value, _HEADS.value + _FITTED.value)))
    tested = list(_heads(model, range(_HEADS.value)))
    seen = _pictures(run, [head for head, _ in fitted])
    pixels = make_pipeline(
        StandardScaler(),
        PCA(min(_COMPONENTS, len(fitted)), random_state=0),
        LogisticRegression(C=0.01, max_iter=2000),
    )
    known = [i for i, picture in enumerate(seen) if picture is not None]
    flat = np.stack([seen[i]["views"].ravel() for i in known]) / np.float32(255)
    pixels.fit(flat, [fitted[i][1] for i in known])
    ways = {"zero-shot": run.question()} if run.info.prompts.classes else {}
    if run.known is not None:
        ways["probe"] = run.question(head="probe")
    rows = []
    for kind in ("none", *FAULTS):
        for strength in STRENGTHS if kind in FAULTS else (0,):
            heads = [head for head, _ in tested]
            if kind in FAULTS:
                heads = [
                    damaged(head, kind, strength, np.random.default_rng([strength, i]))
                    for i, head in enumerate(heads)
                ]
            right = _right(run, ways, pixels, heads, [name for _, name in tested])
            rows += [
                {"fault": kind, "strength": strength, "method": name, "accuracy": x}
                for name, x in right.items()
            ]
    _print(rows, [*ways, "pixels"])
    if _OUT.value:
        with pathlib.Path(_OUT.value).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _heads(model: FaceModel, numbers: range) -> Iterator[tuple[Mesh, str]]:
    """A person each, and what they show."""
    hard = Difficulty()
    for i in numbers:
        rng, name = np.random.default_rng([11, i]), _SIX[i % len(_SIX)]
        person = sample_subject(model, rng, hard)
        yield sample_clip(model, person, name, 3, rng, hard, 1)[0], name


def _pictures(run: Recognizer, heads: list[Mesh]) -> list[dict | None]:
    """What the run sees of each; None of what cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / f"{i}.ply" for i in range(len(heads))]
        for path, head in zip(paths, heads, strict=True):
            write_ply(path, head)

        def read(path: pathlib.Path) -> dict | None:
            try:
                return run.reader.read([path]).batch
            except MeshError:
                return None

        return list(run_in_threads(read, paths))


def _right(
    run: Recognizer,
    ways: dict[str, Question],
    pixels,
    heads: list[Mesh],
    truth: list[str],
) -> dict[str, float]:
    """Shares of the heads that each way has right."""
    seen = _pictures(run, heads)
    there = [i for i, picture in enumerate(seen) if picture is not None]
    found = dict.fromkeys((*ways, "pixels"), 0.0)
    if not there:
        return found
    batch = stacked([seen[i] for i in there])
    (out, _), names = jax.device_get(run.embed(batch)), [truth[i] for i in there]
    for way, question in ways.items():
        shares = run.probabilities(out, question)
        columns = [question.names.index(name) for name in _SIX]
        said = shares[:, columns].argmax(axis=1)
        found[way] = sum(_SIX[k] == t for k, t in zip(said, names, strict=True))
    flat = batch["views"].reshape(len(there), -1) / np.float32(255)
    found["pixels"] = int((pixels.predict(flat) == np.array(names)).sum())
    return {way: count / len(heads) for way, count in found.items()}


def _print(rows: list[dict], methods: list[str]) -> None:
    heads = [f"{m}: {x}" for m in methods for x in ("accuracy", "error", "relative")]
    print("| fault | " + " | ".join(heads) + " |")
    print("|---" * (1 + len(heads)) + "|")
    totals: dict[str, list[float]] = {m: [] for m in methods}
    for kind in ("none", *FAULTS):
        scores = {
            m: [r["accuracy"] for r in rows if (r["fault"], r["method"]) == (kind, m)]
            for m in methods
        }
        base = max(1 - np.mean(scores["pixels"]), 1e-9)
        cells = []
        for m in methods:
            error = 1 - np.mean(scores[m])
            if kind in FAULTS:
                totals[m].append(error / base)
            each = " ".join(f"{x:.2f}" for x in scores[m])
            cells += [each, f"{error:.3f}", f"{error / base:.2f}"]
        print(f"| {kind} | " + " | ".join(cells) + " |")
    cells = [x for m in methods for x in ("", "", f"{np.mean(totals[m]):.2f}")]
    print("| mean of the faults | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    commands.run(main)
