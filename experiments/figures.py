"""The README's picture: `python -m experiments.figures --ict=ARCHIVE --out=JPG`.

Six expressions of one person from each face model, lit and as normals.
"""

import numpy as np
from absl import app, flags
from PIL import Image

from smile_jax.faces import (
    EXPRESSIONS,
    Difficulty,
    FaceModel,
    load_ict,
    load_procedural,
    sample_clip,
    sample_subject,
)
from smile_jax.mesh import frame_mesh, render_views

_ICT = flags.DEFINE_string("ict", None, "ICT-FaceKit tree or archive.", required=True)
_OUT = flags.DEFINE_string("out", "docs/views.jpg", "Image to write.")
_SIZE = flags.DEFINE_integer("size", 136, "Pixels of a view.")

_CALM = Difficulty(pose_deg=3, shift_mm=0, holes=0, dropout=0, noise=0, sensor_mm=0.02)


def strip(model: FaceModel, seed: int, yaw: float) -> np.ndarray:
    """Two rows of one person: lit colours and normals of each expression."""
    person = sample_subject(model, np.random.default_rng(seed), _CALM)
    columns = []
    for name in EXPRESSIONS[:-1]:
        clip = sample_clip(model, person, name, 4, np.random.default_rng(1), _CALM)
        mesh = clip[0]
        framing = frame_mesh(mesh, margin=1.25)
        out = render_views(mesh, (yaw,), _SIZE.value, framing=framing)
        lit = np.clip(out["texture"] * out["shaded"][..., None] * 1.2, 0, 255)
        normals = 127.5 + 127.5 * out["normals"]
        mask = out["mask"][..., None]
        cells = [np.where(mask, image, 24)[0] for image in (lit, normals)]
        columns.append(np.concatenate(cells))
    return np.concatenate(columns, axis=1)


def main(_: list[str]) -> None:
    procedural, ict = load_procedural(), load_ict(_ICT.value)
    rows = [strip(procedural, 3, 20), strip(ict, 5, 20), strip(ict, 11, -20)]
    image = Image.fromarray(np.concatenate(rows).astype(np.uint8))
    image.save(_OUT.value, quality=90)


if __name__ == "__main__":
    app.run(main)
