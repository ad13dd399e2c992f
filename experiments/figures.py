"""Makes the README's moving picture.

    python -m experiments.figures --workdir=runs/demo --ict=ARCHIVE --out=docs/hero.webp

One person of each face model performs; each is seen from three sides, beside what the
run (of single scans) takes every frame for, and how that goes over time.
"""

import pathlib
import tempfile

import numpy as np
from absl import flags
from PIL import Image, ImageDraw, ImageFont

import smile_jax
from smile_jax.core import command_line
from smile_jax.faces import (
    Difficulty,
    FaceModel,
    load_face_model,
    sample_clip,
    sample_subject,
)
from smile_jax.faces.sampling import Clip
from smile_jax.inference.recognizer import Recognizer
from smile_jax.inference.timeline import Timeline
from smile_jax.mesh import Framing, Mesh, render_views
from smile_jax.mesh.pose import pose_from_surface
from smile_jax.mesh.writers import write_ply

_WORKDIR = flags.DEFINE_string("workdir", None, "A run on single scans.", required=True)
_ICT = flags.DEFINE_string("ict", None, "ICT-FaceKit tree or archive.", required=True)
_OUT = flags.DEFINE_string("out", "docs/hero.webp", "Picture to write.")

_CALM = Difficulty(pose_deg=3, shift_mm=0, holes=0, dropout=0, noise=0, sensor_mm=0.02)
_YAWS, _SIZE, _FRAMES, _MS = (-30.0, 0.0, 30.0), 168, 25, 90
_BACK, _INK, _FAINT, _BAR = (
    (250, 250, 252),
    (32, 34, 40),
    (200, 204, 212),
    (66, 120, 226),
)
_WIDTH, _BARS_AT = 3 * _SIZE + 300, 3 * _SIZE + 16


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    run = smile_jax.load(_WORKDIR.value)
    people = [
        ("MakeHuman, surprise", load_face_model("makehuman"), "surprise", 5),
        ("ICT-FaceKit, surprise", load_face_model(_ICT.value), "surprise", 12),
    ]
    rows = [row_of(run, *person) for person in people]
    frames = [
        Image.fromarray(np.concatenate([row[t] for row in rows]))
        for t in range(_FRAMES)
    ]
    out = pathlib.Path(_OUT.value)
    frames[0].save(
        out, save_all=True, append_images=frames[1:], duration=_MS, loop=0, quality=72,
        method=6,
    )  # fmt: skip
    print(f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB")


def row_of(
    run: Recognizer, title: str, model: FaceModel, expression: str, seed: int
) -> list[np.ndarray]:
    """A person's performance, a picture for each frame."""
    rng = np.random.default_rng(seed)
    person = sample_subject(model, rng, _CALM)
    clip = sample_clip(model, person, expression, 4, rng, _CALM, _FRAMES)
    with tempfile.TemporaryDirectory() as folder:
        for t in range(_FRAMES):
            write_ply(pathlib.Path(folder) / f"{t:03d}.ply", clip[t])
        answer = run.predict(folder, how="sequence", timeline=True)
    framing = pose_from_surface(clip[0]).framing
    return [
        drawn(title, views_of(clip, t, framing), answer.timeline, t)
        for t in range(_FRAMES)
    ]


def views_of(clip: Clip, t: int, framing: Framing) -> np.ndarray:
    """Lit, side by side."""
    mesh: Mesh = clip[t]
    seen = render_views(mesh, _YAWS, _SIZE, framing=framing)
    lit = np.clip(seen["texture"] * seen["shaded"][..., None] * 1.3, 0, 255)
    cells = np.where(seen["mask"][..., None], lit, _BACK).astype(np.uint8)
    return np.concatenate(list(cells), axis=1)


def drawn(title: str, views: np.ndarray, timeline: Timeline, t: int) -> np.ndarray:
    """Views, bars of what the frame is taken for, and its place in the course."""
    sheet = Image.new("RGB", (_WIDTH, _SIZE + 30), _BACK)
    sheet.paste(Image.fromarray(views), (0, 26))
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(14), ImageFont.load_default(11)
    draw.text((8, 6), title, fill=_INK, font=font)
    for i, yaw in enumerate(_YAWS):
        at = (i + 1) * _SIZE - 34, _SIZE + 12
        draw.text(at, f"{yaw:+.0f}°", fill=_FAINT, font=small)
    p = timeline.probabilities[t]
    for k, name in enumerate(timeline.prompts):
        y = 10 + 15 * k
        draw.text((_BARS_AT, y), name, fill=_INK, font=small)
        full = 190
        draw.rectangle(
            (_BARS_AT + 62, y + 2, _BARS_AT + 62 + full, y + 10), fill=(236, 238, 242)
        )
        draw.rectangle(
            (_BARS_AT + 62, y + 2, _BARS_AT + 62 + full * float(p[k]), y + 10),
            fill=_BAR,
        )
    top, bottom = 15 * len(timeline.prompts) + 20, _SIZE + 22
    x = np.linspace(_BARS_AT, _WIDTH - 26, len(timeline.frames))
    best = int(timeline.probabilities.max(axis=0).argmax())
    for k in range(len(timeline.prompts)):
        y = bottom - (bottom - top) * timeline.probabilities[:, k]
        points = [tuple(map(float, at)) for at in zip(x, y, strict=True)]
        draw.line(
            points, fill=_BAR if k == best else _FAINT, width=2 if k == best else 1
        )
    draw.line((x[t], top, x[t], bottom), fill=_INK)
    return np.asarray(sheet)


if __name__ == "__main__":
    command_line.run(main)
