"""Trees in the licensed datasets' formats, made from a face model.

Names, folders and file formats are those of the real sets; people and performances are
generated, and where a set has classes that the FACS scripts do not know, one of the six
expressions stands in. So a build can be rehearsed and measured without a licence.
"""

import dataclasses
import pathlib
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from smile_jax.core.extras import needed_for
from smile_jax.core.workers import run_everywhere
from smile_jax.faces import class_spellings as names
from smile_jax.faces.events import micro_takes
from smile_jax.faces.expressions import EXPRESSIONS
from smile_jax.faces.families.catalogue import load_face_model
from smile_jax.faces.families.face_model import FaceModel
from smile_jax.faces.rehearsal_scans import WRITERS, Shot
from smile_jax.faces.sampling import (
    RECORDED,
    Clip,
    Difficulty,
    micro_seeds,
    sample_clip,
    sample_micro_clip,
    sample_subject,
)

_SIX = EXPRESSIONS[:-1]
_FOUR_DME_HZ = 60.0
_EVERY_S = 10.0  # between lines on progress
_POSES = Difficulty(pose_deg=8.0, shift_mm=0.0, holes=0.5)


@dataclasses.dataclass(frozen=True)
class RehearsalOptions:
    """Settings of a rehearsal tree.

    Attributes:
      out: folder; made if it is not there.
      subjects: people.
      frames: of each sequence, in the 4D formats.
      points: of a scan (a cropped face of BU-3DFE has a quarter of them).
      texture: height and width of textures in pixels.
      raw: BU-3DFE: also the raw scans.
      seed: of people and performances.
      heads: whose perform, see `load_face_model`.
    """

    out: pathlib.Path
    subjects: int = 2
    frames: int = 10
    points: int = 35_000
    texture: int = 512
    raw: bool = False
    seed: int = 0
    heads: str = "procedural"

    def __post_init__(self) -> None:
        for name, least in (("subjects", 1), ("frames", 2), ("points", 50)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}")
        if self.texture < 8:
            raise ValueError("texture must be at least 8 pixels")


@dataclasses.dataclass(frozen=True)
class Recording:
    """A performance and the file that it is written to, without its suffix.

    `{frame}` in the stem, with a format, makes it a sequence; numbers start at `first`.
    A `take` from 1 on is that micro-expression of the person, as the config `micro` of
    generated faces has it.
    """

    person: int
    expression: str
    intensity: int
    stem: str
    kind: str
    first: int = 0
    take: int = 0


def recordings(layout: str, options: RehearsalOptions) -> list[Recording]:
    """The parts of a tree of this format."""
    people = range(options.subjects)
    return [r for person in people for r in _PLANS[layout](person, options)]


def record(recording: Recording, options: RehearsalOptions) -> int:
    """Performs, scans and writes one recording; returns how many scans."""
    model = load_face_model(options.heads)
    clip = _perform(model, recording, options)
    write = WRITERS[recording.kind]
    first = clip[0].vertices
    for frame in range(len(clip)):
        stem = recording.stem.format(frame=recording.first + frame)
        path = options.out / stem
        path.parent.mkdir(parents=True, exist_ok=True)
        shot = Shot(
            model, clip[frame], first, options.out, options.points, options.texture
        )
        write(path, shot)
    return len(clip)


def record_all(plan: Sequence[Recording], options: RehearsalOptions) -> int:
    """Writes all recordings and says how far it is, and how long and large the rest is.

    Returns:
      How many scans were written.

    Raises:
      OSError: the disk is too small for the rest.
    """
    scans, started = 0, time.monotonic()
    said = started
    for done, count in enumerate(run_everywhere(record, plan, options), 1):
        scans += count
        now = time.monotonic()
        if now - said < _EVERY_S and done > 1:
            continue
        said, left = now, len(plan) / done - 1
        written = sum(f.stat().st_size for f in options.out.rglob("*") if f.is_file())
        print(
            f"{done} of {len(plan)} recordings, {scans / (now - started):.1f} scans/s; "
            f"{left * (now - started) / 60:.0f} minutes and {left * written / 1e9:.1f} "
            "GB to go",
            flush=True,
        )
        free = shutil.disk_usage(options.out).free
        if left * written > free:
            raise OSError(
                f"{options.out}: {left * written / 1e9:.1f} GB to go, and "
                f"{free / 1e9:.1f} GB are free; take fewer --subjects, --frames or "
                "--points, or another disk"
            )
    return scans


def finish(layout: str, options: RehearsalOptions, written: list[Recording]) -> None:
    """Writes what belongs to the tree as a whole."""
    if layout == "facescape":
        lines = [
            f"{p + 1} {_gender(p).lower()} {20 + p}" for p in range(options.subjects)
        ]
        (options.out / "info_list_v2.txt").write_text("\n".join(lines) + "\n")
    if layout == "bu4dfe":
        viewer = options.out / "BU_4DFE" / "BU_WrlViewer_V2"
        viewer.mkdir(exist_ok=True)
        (viewer / "readme.txt").write_text("not a subject\n")
    if layout == "four_dme":
        _write_spreadsheet(options, written)


def _gender(person: int) -> str:
    return "FM"[person % 2]


def _perform(model: FaceModel, recording: Recording, options: RehearsalOptions) -> Clip:
    if recording.take:
        seeds = micro_seeds(options.seed, recording.person, recording.take)
        person, take = (np.random.default_rng(seed) for seed in seeds)
        subject = sample_subject(model, person, RECORDED)
        emotions = micro_takes(seeds[0])[recording.take - 1]
        return sample_micro_clip(
            model, subject, emotions, take, RECORDED, options.frames, _FOUR_DME_HZ
        )
    seed = f"{options.seed}/{recording.person}"
    person = np.random.default_rng(zlib.crc32(seed.encode()))
    take = np.random.default_rng(zlib.crc32(f"{seed}/{recording.stem}".encode()))
    return sample_clip(
        model,
        sample_subject(model, person, _POSES),
        recording.expression,
        recording.intensity,
        take,
        _POSES,
        options.frames if "{frame" in recording.stem else 1,
    )


def _bu3dfe(person: int, options: RehearsalOptions) -> Iterator[Recording]:
    subject = f"{_gender(person)}{person // 2 + 1:04d}"
    codes = list(names.BU3DFE_ETHNICITIES)
    for code, expression in names.BU3DFE.items():
        for level in (0,) if code == "NE" else (1, 2, 3, 4):
            scan = f"{subject}_{code}{level:02d}{codes[person % len(codes)]}"
            stem = f"BU_3DFE/{subject}/{scan}"
            yield Recording(person, expression, level, stem, "f3d")
            if options.raw:
                yield Recording(person, expression, level, stem, "raw")


def _bu4dfe(person: int, options: RehearsalOptions) -> Iterator[Recording]:
    subject = f"{_gender(person)}{person // 2 + 1:03d}"
    for folder, expression in names.BU4DFE.items():
        stem = f"BU_4DFE/{subject}/{folder}/{{frame:03d}}"
        yield Recording(person, expression, 4, stem, "wrl")


def _bosphorus(person: int, options: RehearsalOptions) -> Iterator[Recording]:
    stem = f"BosphorusDB/bs{person:03d}/bs{person:03d}"
    for repeat in range(2):
        yield Recording(person, "neutral", 0, f"{stem}_N_N_{repeat}", "bnt")
    for code, expression in names.BOSPHORUS.items():
        yield Recording(person, expression, 4, f"{stem}_E_{code}_0", "bnt")
    for scan, expression in (("LFAU_12", "happy"), ("UFAU_4", "anger")):
        yield Recording(person, expression, 2, f"{stem}_{scan}_0", "bnt")
    yield Recording(person, "neutral", 0, f"{stem}_YR_R20_0", "bnt")


def _bp4d(person: int, options: RehearsalOptions) -> Iterator[Recording]:
    subject = f"{_gender(person)}{person // 2 + 1:03d}"
    for task in (f"T{number}" for number in range(1, 9)):
        expression = names.BP4D_TASKS.get(task, "neutral")
        level = 3 if task in names.BP4D_TASKS else 0
        stem = f"{subject}/{task}/{{frame:04d}}"
        yield Recording(person, expression, level, stem, "obj")


def _four_dme(person: int, options: RehearsalOptions) -> Iterator[Recording]:
    subject = f"S{person + 1:02d}"
    count = len(micro_takes(micro_seeds(options.seed, person, 1)[0]))
    for take in range(1, count + 1):
        stem = f"{subject}/{subject}_1st_{take:03d}_01_1/{{frame:04d}}"
        yield Recording(person, "", 1, stem, "obj", first=100, take=take)


def _coma(person: int, options: RehearsalOptions) -> Iterator[Recording]:
    for number, motion in enumerate(names.COMA):
        stem = f"FaceTalk_{person:06d}_TA/{motion}/{motion}.{{frame:06d}}"
        expression = _SIX[number % len(_SIX)]
        yield Recording(person, expression, 4, stem, "registered", first=1)


def _facescape(person: int, options: RehearsalOptions) -> Iterator[Recording]:
    for number, name in enumerate(names.FACESCAPE):
        expression = "neutral" if name == "neutral" else _SIX[number % len(_SIX)]
        level = 0 if name == "neutral" else 4
        stem = f"{person + 1}/models_reg/{number + 1}_{name}"
        yield Recording(person, expression, level, stem, "obj")


def _mesh_folder(person: int, options: RehearsalOptions) -> Iterator[Recording]:
    for expression in _SIX:
        stem = f"S{person:04d}/{expression}/{{frame:03d}}"
        yield Recording(person, expression, 4, stem, "ply")


_PLANS: dict[str, Callable[[int, RehearsalOptions], Iterator[Recording]]] = {
    "bosphorus": _bosphorus,
    "bp4d": _bp4d,
    "bu3dfe": _bu3dfe,
    "bu4dfe": _bu4dfe,
    "coma": _coma,
    "facescape": _facescape,
    "four_dme": _four_dme,
    "mesh_folder": _mesh_folder,
}
LAYOUTS = tuple(_PLANS)


def _write_spreadsheet(options: RehearsalOptions, written: list[Recording]) -> None:
    """4DME's labels of micro-expressions, in the release's columns."""
    with needed_for("a spreadsheet"):
        import openpyxl

    model = load_face_model(options.heads)
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    emotions = [name.capitalize() for name in names.FOUR_DME]
    head = ["fold", "sub_ID", "fold_name", "Onset", "Apex", "Offset", "Emotion", "AUs"]
    sheet.append([*head, "eye blink", *emotions, "Total"])
    for recording in written:
        (event,) = _perform(model, recording, options).events
        units = sorted({int(name[2:].split("_")[0]) for name in event.actions})
        shown = {name.capitalize() for name in event.emotions}
        frames = (recording.first + f for f in (event.onset, event.apex, event.offset))
        subject, folder, _ = recording.stem.split("/")
        sheet.append(
            [
                recording.person % 5 + 1, subject, folder, *frames,
                "+".join(sorted(shown)), "+".join(f"{n}" for n in units) + "+L7(k)", 0,
                *(int(name in shown) for name in emotions), len(shown),
            ]
        )  # fmt: skip
    book.save(options.out / "4DME_Labelling_Micro_release v1.xlsx")
