"""Every face family: a sheet of pictures, and how far each action moves landmarks.

    python -m experiments.families --out=docs/families.webp [--ict=ARCHIVE]
        [--vitruvian=ARCHIVE]
    python -m experiments.families --table [--ict=ARCHIVE] [--vitruvian=ARCHIVE]

The sheet has a row for each person and a column for each expression, at full strength.
The table is in mm of a face of average size, on the left side, against the family's
mean head (`smile_jax.faces.landmark_motion`): an action should mean the same in every
family. Its last rows are that head against the first family's. MakeHuman's heads are
fetched by `smile-jax fetch makehuman`; families that are not there are left out, and
named.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from absl import flags
from PIL import Image, ImageDraw, ImageFont

from smile_jax.core import command_line
from smile_jax.faces import EXPRESSIONS, FaceModel, load_face_model
from smile_jax.faces.families.catalogue import FAMILIES
from smile_jax.faces.landmark_motion import first_frame, scan_points
from smile_jax.faces.sampling import Difficulty, sample_clip, sample_subject
from smile_jax.mesh import Framing, Mesh, MeshError, render_views

_ICT = flags.DEFINE_string("ict", "", "ICT-FaceKit tree or archive.")
_VITRUVIAN = flags.DEFINE_string("vitruvian", "", "Vitruvian's tree or archive.")
_OUT = flags.DEFINE_string("out", "families.webp", "Picture to write.")
_TABLE = flags.DEFINE_boolean("table", False, "Print the table of actions instead.")
_PEOPLE = flags.DEFINE_integer("people", 3, "People of each family.", 1, 20)
_SEED = flags.DEFINE_integer("seed", 3, "Of people and performances.")

_CALM = Difficulty(
    pose_deg=4, shift_mm=0, holes=0, dropout=0, noise=0.05, unrelated=0, sensor_mm=0,
    lighting=0,
)  # fmt: skip
_LARGE, _SIZE, _LEFT, _TOP = 224, 112, 92, 22
_BACK, _INK, _FAINT = (250, 250, 252), (32, 34, 40), (120, 124, 134)
_KEY, _FILL = np.array([0.45, 0.55, 0.75]), 0.34  # direction of the light, and the rest
_YAW = 12.0


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    models = _models()
    if _TABLE.value:
        print_table(models)
        return
    sheet = sheet_of(models, _PEOPLE.value, _SEED.value)
    sheet.save(_OUT.value, quality=84, method=6)
    print(f"wrote {_OUT.value}, {sheet.width} x {sheet.height} pixels")


def _models() -> list[FaceModel]:
    """Those that are there, real heads first."""
    paths = {"ict": _ICT.value, "vitruvian": _VITRUVIAN.value}
    found = []
    for name in ("ict", "makehuman", "vitruvian", "procedural"):
        if not paths.get(name, name):
            print(f"left out: {name} (name its files by --{name})")
            continue
        try:
            found.append(load_face_model(paths.get(name, name)))
        except MeshError as error:
            if name in paths:
                raise
            print(f"left out: {name} ({error})")
    return found


def sheet_of(models: Sequence[FaceModel], people: int, seed: int) -> Image.Image:
    """Families by expressions by people, lit, on one sheet."""
    height = _TOP + people * len(models) * _SIZE
    sheet = Image.new("RGB", (_LEFT + len(EXPRESSIONS) * _SIZE, height), _BACK)
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(13), ImageFont.load_default(11)
    for column, name in enumerate(EXPRESSIONS):
        draw.text((_LEFT + column * _SIZE + 34, 4), name, fill=_INK, font=font)
    for i, model in enumerate(models):
        top = _TOP + i * people * _SIZE
        title = FAMILIES[model.name].title
        draw.text((8, top + 10), title.replace(" ", "\n"), fill=_INK, font=font)
        for number in range(people):
            person = np.random.default_rng((seed, number))
            subject = sample_subject(model, person, _CALM)
            told = subject.person.attributes
            words = [
                str(told[name]) for name in ("gender", "ethnicity") if name in told
            ]
            if "age_years" in told:
                words.append(f"{told['age_years']:.0f} years")
            y = top + number * _SIZE
            draw.text((8, y + 48), "\n".join(words).lower(), fill=_FAINT, font=small)
            for column, name in enumerate(EXPRESSIONS):
                level = 0 if name == "neutral" else 4
                rng = np.random.default_rng((seed, number, column))
                mesh = sample_clip(model, subject, name, level, rng, _CALM)[0]
                sheet.paste(_portrait(mesh), (_LEFT + column * _SIZE, y))
    return sheet


def _portrait(mesh: Mesh) -> Image.Image:
    points = mesh.landmarks
    assert points is not None
    middle = points[29] - np.array([0, 8, 0])
    extent = 2.9 * float(np.linalg.norm(points[36] - points[45]))
    framing = Framing(tuple(float(c) for c in middle), extent)
    seen = render_views(mesh, (_YAW,), _LARGE, framing=framing)
    light = np.maximum(seen["normals"][0] @ (_KEY / np.linalg.norm(_KEY)), 0)
    shade = np.minimum(_FILL + (1.12 - _FILL) * light, 1.1)
    lit = seen["texture"][0] * shade[..., None]
    cell = np.where(seen["mask"][0][..., None], np.clip(lit, 0, 255), _BACK)
    return Image.fromarray(cell.astype(np.uint8)).resize((_SIZE, _SIZE), Image.LANCZOS)


def print_table(models: Sequence[FaceModel]) -> None:
    """A row for each action and family, and how the families' mean heads differ."""
    rests = [Mesh(m.mean, m.faces, landmarks=m.mean[m.landmarks]) for m in models]
    print("| action | family | movements in mm |\n|---|---|---|")
    for action in models[0].actions:
        if action.endswith("_R"):
            continue
        for model, rest in zip(models, rests, strict=True):
            moved = model.acting(model.mean, {action: 1.0})
            acting = dataclasses.replace(
                rest, vertices=moved, landmarks=moved[model.landmarks]
            )
            print(f"| {action} | {model.name} | {_movements(rest, acting)} |")
    for model, rest in list(zip(models, rests, strict=True))[1:]:
        found = _movements(rests[0], rest)
        print(f"| at rest, against {models[0].name} | {model.name} | {found} |")


def _movements(rest: Mesh, acting: Mesh) -> str:
    """Those of more than 0.25 mm, on the left side."""
    found = first_frame(scan_points(rest)).measure(scan_points(acting))
    told = [
        f"{name.replace('_', ' ')} {left:+.1f}"
        for name, (left, _) in found.items()
        if abs(left) > 0.25
    ]
    return ", ".join(told)


if __name__ == "__main__":
    command_line.run(main)
