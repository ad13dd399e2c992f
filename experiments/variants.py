"""One head written in 60 ways: is it found, turned, sized and answered alike?

    python -m experiments.variants --workdir=runs/demo --family=makehuman
        [--family=ARCHIVE] [--kept=FOLDER]

A head of each family, the first of whom the run knows for sure what it shows, is
written as files that differ in axes, unit, crop, winding, what is around it, and
format; each is read and answered by `predict` as any file is. Right is: a face is
found, turned to the front within 5 degrees and sized within 5 % of what is found on the
head as it was, and the label is the same. What is not right is refused (no face), or it
is a silent mistake. Prints the table of docs/predict.md; --kept keeps the files.
"""

import contextlib
import dataclasses
import pathlib
import tempfile
from collections.abc import Callable

import numpy as np
import trimesh
from absl import flags
from scipy.spatial.transform import Rotation

import smile_jax
from smile_jax.core import command_line
from smile_jax.experiments.heads import CROPS, unseen_head, with_thing
from smile_jax.faces import FaceModel, load_face_model
from smile_jax.inference.recognizer import Recognizer
from smile_jax.landmarking.head_scan import HeadScan, look_at
from smile_jax.mesh import Mesh, MeshError, read_mesh
from smile_jax.mesh.pose import degrees_between
from smile_jax.mesh.writers import write_obj, write_vrml

_WORKDIR = flags.DEFINE_string("workdir", None, "A run's folder.", required=True)
_FAMILY = flags.DEFINE_multi_string(
    "family", ["makehuman"], "Name, folder or archive of a family; may be repeated."
)
_KEPT = flags.DEFINE_string("kept", "", "Folder to keep the files in.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the heads.")
_TURNED_DEG, _SIZED = 5.0, 0.05
_FOR_SURE, _TRIED = 0.6, 50

Points = np.ndarray


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to write a head.

    Attributes:
      name: of it.
      turn: of the head's points, (3, 3).
      unit_mm: millimetres of its unit.
      change: of the mesh in mm, before it is turned.
      offset: in its unit.
      inward: its triangles are wound the other way round.
      write: the file, whose suffix is the first entry.
    """

    name: str
    turn: np.ndarray = dataclasses.field(default_factory=lambda: np.eye(3))
    unit_mm: float = 1.0
    change: Callable[[Mesh], Mesh] = lambda mesh: mesh
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    inward: bool = False
    write: tuple[str, Callable[[pathlib.Path, Points, Points], None]] = (
        ".ply", lambda path, points, faces: _by_trimesh(path, points, faces)
    )  # fmt: skip


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    run = smile_jax.load(_WORKDIR.value)
    models = [load_face_model(source) for source in _FAMILY.value]
    table = {variant.name: [] for variant in VARIANTS[1:]}
    with contextlib.ExitStack() as stack:
        for model in models:
            folder = _KEPT.value or stack.enter_context(tempfile.TemporaryDirectory())
            where = pathlib.Path(folder) / model.name
            where.mkdir(parents=True, exist_ok=True)
            head, plain = _known_head(run, model, where)
            for variant in VARIANTS[1:]:
                got = _answer(run, _written(variant, head, where))
                table[variant.name].append(_verdict(variant, got, plain))
    print(f"| written | {' | '.join(model.name for model in models)} |")
    print("|---" * (1 + len(models)) + "|")
    for name, verdicts in table.items():
        print(f"| {name} | {' | '.join(verdicts)} |")
    for which, model in enumerate(models):
        column = [verdicts[which] for verdicts in table.values()]
        right = sum(verdict == "right" for verdict in column)
        silent = sum(verdict.startswith("silent") for verdict in column)
        print(f"{model.name}: {right} of {len(column)} right, {silent} silent mistakes")
    rows = table.values()
    every = sum(all(v == "right" for v in row) for row in rows)
    print(f"right of every head: {every} of {len(table)}")


def _known_head(
    run: Recognizer, model: FaceModel, folder: pathlib.Path
) -> tuple[Mesh, "_Answer"]:
    """A head that is answered rightly and for sure as it is: it is at no tie."""
    for number in range(1, _TRIED):
        head = unseen_head(model, "happy", (_SEED.value, number))
        plain = _answer(run, _written(VARIANTS[0], head, folder))
        if plain.label == "happy" and plain.probability >= _FOR_SURE:
            return head, plain
    raise ValueError(f"{model.name}: none of {_TRIED} happy heads is taken for one")


@dataclasses.dataclass(frozen=True)
class _Answer:
    """What came of a file; `refused` says why there is nothing else."""

    refused: str = ""
    scan: HeadScan | None = None
    label: str = ""
    probability: float = 0.0


def _answer(run: Recognizer, path: pathlib.Path) -> _Answer:
    try:
        scan = look_at(read_mesh(path))
        answer = run.predict(path)
    except MeshError as error:
        return _Answer(refused=str(error))
    if not answer.is_face or not scan.found:
        return _Answer(refused=f"no face, {scan.sure:.2f} sure", scan=scan)
    share = answer.probabilities[answer.label]
    return _Answer(scan=scan, label=answer.label, probability=share)


def _verdict(variant: Variant, got: _Answer, plain: _Answer) -> str:
    if got.refused:
        return f"refused ({got.refused.split(': ', 1)[-1][:60]})"
    assert got.scan and got.scan.face and plain.scan and plain.scan.face
    wrong = []
    turned = variant.turn @ plain.scan.face.rotation
    degrees = degrees_between(turned, got.scan.face.rotation)
    if degrees > _TURNED_DEG:
        wrong.append(f"{degrees:.0f} deg off")
    # Of a unit that is none, the face is taken as one of average size.
    size = got.scan.unit_mm / variant.unit_mm
    if variant.unit_mm in _ODD_UNITS:
        size = got.scan.face.scale
    if abs(size - 1) > _SIZED:
        wrong.append(f"{size:.2f} times as large")
    if got.label != plain.label:
        wrong.append(f"{got.label}, not {plain.label}")
    return f"silent mistake: {', '.join(wrong)}" if wrong else "right"


def _written(variant: Variant, head: Mesh, folder: pathlib.Path) -> pathlib.Path:
    mesh = variant.change(head)
    points = mesh.vertices.astype(np.float64) @ variant.turn.T / variant.unit_mm
    points = points + np.asarray(variant.offset)
    faces = mesh.faces[:, ::-1] if variant.inward else mesh.faces
    suffix, write = variant.write
    path = folder / f"{variant.name.replace(' ', '_').replace('/', '-')}{suffix}"
    write(path, points, np.ascontiguousarray(faces))
    return path


def _by_trimesh(path: pathlib.Path, points: Points, faces: Points, **how) -> None:
    trimesh.Trimesh(points, faces, process=False).export(path, **how)


def _as_obj(path: pathlib.Path, points: Points, faces: Points) -> None:
    lines = [f"v {x:.12g} {y:.12g} {z:.12g}" for x, y, z in points]
    lines += [f"f {a} {b} {c}" for a, b, c in faces + 1]
    path.write_text("\n".join(lines) + "\n")


def _as_double_ply(path: pathlib.Path, points: Points, faces: Points) -> None:
    lines = [f"{x:.4f} {y:.4f} {z:.4f}" for x, y, z in points]
    lines += [f"3 {a} {b} {c}" for a, b, c in faces]
    head = (
        f"ply\nformat ascii 1.0\nelement vertex {len(points)}\nproperty double x\n"
        f"property double y\nproperty double z\nelement face {len(faces)}\n"
        "property list uchar int vertex_indices\nend_header\n"
    )
    path.write_text(head + "\n".join(lines) + "\n")


def _as_xyz(path: pathlib.Path, points: Points, faces: Points) -> None:
    used = points[np.unique(faces)]
    path.write_text("\n".join(f"{x:.6g} {y:.6g} {z:.6g}" for x, y, z in used) + "\n")


def _plain(points: Points, faces: Points) -> Mesh:
    return Mesh(points.astype(np.float32), faces.astype(np.int32))


def _with(thing: trimesh.Trimesh) -> Callable[[Mesh], Mesh]:
    """Adds something, placed from the middle of the face in mm."""

    def change(mesh: Mesh) -> Mesh:
        assert mesh.landmarks is not None
        moved = thing.copy()
        moved.apply_translation(mesh.landmarks.mean(axis=0))
        return with_thing(mesh, moved)

    return change


def _box(size: tuple, at: tuple, fine: float = 0.0) -> trimesh.Trimesh:
    box = trimesh.creation.box(size)
    if fine:
        box = box.subdivide_to_size(fine)
    box.apply_translation(at)
    return box


def _body() -> trimesh.Trimesh:
    """Neck, trunk, arms and legs, of a person who stands."""
    parts = []
    for height, radius, top in (
        (80, 52, (0, -110, -85)), (330, 150, (0, -340, -90)),
        (600, 45, (215, -310, -90)), (600, 45, (-215, -310, -90)),
        (750, 75, (85, -720, -90)), (750, 75, (-85, -720, -90)),
    ):  # fmt: skip
        limb = trimesh.creation.capsule(height=height, radius=radius)
        limb.apply_transform(
            trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0])
        )
        limb.apply_translation(top)
        parts.append(limb)
    return trimesh.util.concatenate(parts)


def _spoilt(mesh: Mesh) -> Mesh:
    """One point of the crown at 3e38."""
    vertices = mesh.vertices.copy()
    vertices[int(vertices[:, 1].argmax())] = 3e38
    return _plain(vertices, mesh.faces)


def _two(mesh: Mesh) -> Mesh:
    """The same head again, beside it, from behind."""
    other = mesh.vertices * np.float32([-1, 1, -1]) + np.float32([330, 0, 0])
    points = np.concatenate([mesh.vertices, other])
    return _plain(points, np.concatenate([mesh.faces, mesh.faces + len(other)]))


def _turn(axes: str, degrees) -> np.ndarray:
    return Rotation.from_euler(axes, degrees, degrees=True).as_matrix()


def _axes() -> list[Variant]:
    """The 23 ways to look along an axis, other than to +z with +y up."""
    found = []
    names = {
        (a, s): f"{'-' if s < 0 else '+'}{'xyz'[a]}" for a in range(3) for s in (1, -1)
    }
    for (z, sz), front in names.items():
        for (y, sy), up in names.items():
            if y == z or (front, up) == ("+z", "+y"):
                continue
            forward, upward = sz * np.eye(3)[z], sy * np.eye(3)[y]
            turn = np.stack([np.cross(upward, forward), upward, forward], axis=1)
            found.append(Variant(f"looks along {front}, {up} up", turn))
    return found


_MAP = (691234.5, 5334567.25, 512.0)
_ODD_UNITS = (3.7, 220.0)
_STRAY = trimesh.Trimesh(
    [[0, 0, -50_000], [10, 0, -50_000], [0, 10, -50_000]], [[0, 1, 2]], process=False
)
_WALL = _box((1500, 1500, 4), (0, 0, -260), fine=40)
_FLOOR = _box((1500, 4, 1500), (0, -290, 0), fine=40)
_Z_UP, _TO_SIDE = _turn("x", 90), _turn("y", 90)

VARIANTS = [
    Variant("as it is, PLY in mm"),
    *_axes(),
    Variant("yaw 60 deg", _turn("y", 60)),
    Variant("yaw -60 deg, pitch 20", _turn("yx", [-60, 20])),
    Variant("pitch 40 deg", _turn("x", 40)),
    Variant("roll 45 deg", _turn("z", 45)),
    Variant("yaw 100 deg, roll 30", _turn("yz", [100, 30])),
    Variant("in cm", unit_mm=10.0),
    Variant("in m", unit_mm=1000.0),
    Variant("in inches", unit_mm=25.4),
    Variant("in micrometres", unit_mm=0.001),
    Variant("in a unit of 3.7 mm", unit_mm=_ODD_UNITS[0]),
    Variant("as a unit cube", unit_mm=_ODD_UNITS[1]),
    Variant("z up, in m", _Z_UP, 1000.0),
    Variant("wound inward", inward=True),
    Variant("wound inward, z up, in cm", _Z_UP, 10.0, inward=True),
    *(Variant(f"cut: {name}", change=crop) for name, crop in CROPS.items()),
    Variant("cut: mask, to the side, in m", _TO_SIDE, 1000.0, CROPS["mask"]),
    Variant("a wall behind", change=_with(_WALL)),
    Variant("a floor, z up, in m", _Z_UP, 1000.0, _with(_FLOOR)),
    Variant("with a body", change=_with(_body())),
    Variant("with a body, z up, in m", _Z_UP, 1000.0, _with(_body())),
    Variant("a stray triangle 50 m away", change=_with(_STRAY)),
    Variant("a point at 3e38", change=_spoilt),
    Variant("a second head", change=_two),
    Variant("map coordinates in m", unit_mm=1000.0, offset=_MAP,
            write=(".ply", _as_double_ply)),
    Variant("map coordinates in m, z up, OBJ", _Z_UP, 1000.0,
            offset=_MAP, write=(".obj", _as_obj)),
    Variant("OBJ", write=(".obj", lambda p, v, f: write_obj(p, _plain(v, f)))),
    Variant("VRML", write=(".wrl", lambda p, v, f: write_vrml(p, _plain(v, f)))),
    Variant("STL", write=(".stl", _by_trimesh)),
    Variant("OFF, in m, z up", _Z_UP, 1000.0, write=(".off", _by_trimesh)),
    Variant("GLB, in m", unit_mm=1000.0, write=(".glb", _by_trimesh)),
    Variant("PLY as text", write=(
        ".ply", lambda p, v, f: _by_trimesh(p, v, f, encoding="ascii"))),
    Variant("point cloud", write=(".xyz", _as_xyz)),
]  # fmt: skip

if __name__ == "__main__":
    command_line.run(main)
