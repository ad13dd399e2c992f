"""Does the crop of a scan decide its label?

    python -m experiments.crops --workdir=runs/demo --family=makehuman
        [--family=ARCHIVE] [--heads=100]

The same heads are written whole, as masks and cut in other ways, and answered.
Prints, for each way, the share of heads that get the label of the whole head, and the
mean cosine of their embeddings with the whole head's.
"""

import pathlib
import tempfile

import numpy as np
from absl import flags

import smile_jax
from smile_jax.core import command_line
from smile_jax.experiments.heads import CROPS, unseen_head
from smile_jax.faces import EXPRESSIONS, FaceModel, load_face_model
from smile_jax.inference.recognizer import Recognizer
from smile_jax.mesh import Mesh
from smile_jax.mesh.writers import write_ply

_WORKDIR = flags.DEFINE_string("workdir", None, "A run's folder.", required=True)
_FAMILY = flags.DEFINE_multi_string(
    "family", ["makehuman"], "Name, folder or archive of a family; may be repeated."
)
_HEADS = flags.DEFINE_integer("heads", 100, "Heads of each family.", 1)


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    run = smile_jax.load(_WORKDIR.value)
    print("| family | cut | the whole head's label | cosine with it |")
    print("|---|---|---|---|")
    for source in _FAMILY.value:
        _of_family(run, load_face_model(source))


def _of_family(run: Recognizer, model: FaceModel) -> None:
    heads = [
        unseen_head(model, EXPRESSIONS[i % len(EXPRESSIONS)], (11, i))
        for i in range(_HEADS.value)
    ]
    with tempfile.TemporaryDirectory() as folder:
        whole = _answers(run, heads, pathlib.Path(folder))
        labels, cosines = [], []
        for name, crop in CROPS.items():
            cut = [crop(head) for head in heads]
            found = _answers(run, cut, pathlib.Path(folder))
            same = [a.label == b.label for a, b in zip(whole, found, strict=True)]
            near = [float(a.embedding @ b.embedding)
                    for a, b in zip(whole, found, strict=True)]  # fmt: skip
            labels += same
            cosines += near
            row = f"{np.mean(same):.3f} | {np.mean(near):.4f}"
            print(f"| {model.name} | {name} | {row} |", flush=True)
    print(f"| {model.name} | all | {np.mean(labels):.3f} | {np.mean(cosines):.4f} |")


def _answers(run: Recognizer, heads: list[Mesh], folder: pathlib.Path) -> list:
    paths = [folder / f"{i:03d}.ply" for i in range(len(heads))]
    for path, head in zip(paths, heads, strict=True):
        write_ply(path, head)
    found = run.predict(paths, how="each")
    if len(found) < len(paths):
        raise ValueError(f"not answered: {found.skipped}")
    return list(found)


if __name__ == "__main__":
    command_line.run(main)
