"""Does a run tell faces from other things?

    python -m experiments.not_faces --workdir=runs/demo --family=makehuman
        [--family=ARCHIVE] [--each=10]

Makes things that are no faces, of the size of a head and turned anyhow: primitives,
other parts of a body, lumps, reliefs and noise; what a scanner sees of heads from
behind; and heads of people that no run has seen, turned anyhow. Prints how many of each
are rejected (`Prediction.is_face`), by geometry and by the distance of their features.
"""

import collections
import pathlib
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import trimesh
from absl import flags
from scipy.spatial.transform import Rotation

import smile_jax
from smile_jax.core import command_line
from smile_jax.faces import EXPRESSIONS, Difficulty, load_face_model
from smile_jax.faces.sampling import sample_clip, sample_subject
from smile_jax.faces.scanner import scan_head
from smile_jax.mesh import Mesh, frame_mesh
from smile_jax.mesh.writers import write_ply

_WORKDIR = flags.DEFINE_string("workdir", None, "Evaluated run.", required=True)
_FAMILY = flags.DEFINE_multi_string(
    "family", ["procedural"], "Name, folder or archive of a family; may be repeated."
)
_EACH = flags.DEFINE_integer("each", 10, "Things of each kind.", 1)
_HEADS = flags.DEFINE_integer("heads", 100, "Heads of each face model.", 1)

Rng = np.random.Generator
_make = trimesh.creation


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    families = [load_face_model(source) for source in _FAMILY.value]
    models = {model.name: model for model in families}
    if len(models) < len(families):
        raise ValueError(f"--family={_FAMILY.value}: two of one family; name each once")
    with tempfile.TemporaryDirectory() as folder:
        kinds = {}
        for number, (kind, mesh) in enumerate(_everything(models)):
            path = pathlib.Path(folder) / f"{number:04d}.ply"
            write_ply(path, mesh)
            kinds[str(path)] = kind
        model = smile_jax.load(_WORKDIR.value)
        found = model.predict(list(kinds), how="each")
    counts: dict[str, collections.Counter] = collections.defaultdict(
        collections.Counter
    )
    for name in found.skipped:
        counts[kinds[name]]["skipped"] += 1
    for answer in found:
        count = counts[kinds[answer.name]]
        count["faces"] += answer.is_face
        count["others"] += not answer.is_face
        count["near"] += answer.distance is not None and answer.distance <= 1
    print("| | made | rejected | cannot be read | near by features |")
    print("|---|---|---|---|---|")
    for kind, count in counts.items():
        total = count["faces"] + count["others"] + count["skipped"]
        print(
            f"| {kind} | {total} | {count['others']} | {count['skipped']} | "
            f"{count['near']} |"
        )
    for what, mine in (("heads", True), ("others", False)):
        some = [c for kind, c in counts.items() if kind.startswith("heads of") == mine]
        rejected = sum(c["others"] + c["skipped"] for c in some)
        total = rejected + sum(c["faces"] for c in some)
        print(f"{what}: {rejected} of {total} rejected, {rejected / total:.1%}")


def _everything(models: dict) -> Iterator[tuple[str, Mesh]]:
    for k, (kind, make) in enumerate(_THINGS.items()):
        for i in range(_EACH.value):
            rng = np.random.default_rng([k, i])
            thing = make(rng).copy()
            if kind != "relief":
                turn = np.eye(4)
                seed = int(rng.integers(1 << 30))
                turn[:3, :3] = Rotation.random(random_state=seed).as_matrix()
                thing.apply_transform(turn)
            yield kind, _as_mesh(thing)
    for k, (name, model) in enumerate(models.items()):
        for i in range(_HEADS.value):
            head = _head(model, np.random.default_rng([99, k, i]), i)
            yield f"heads of {name}", head
            turn = Rotation.random(random_state=i).as_matrix()
            yield f"heads of {name}, turned anyhow", _turned(head, turn)
        for i in range(2 * _EACH.value):
            head = _head(model, np.random.default_rng([98, k, i]), i)
            behind = _turned(head, np.diag([-1.0, 1.0, -1.0]))
            framing = frame_mesh(behind)
            seen = scan_head(behind, framing=framing, points=8000, texture_size=1)
            yield f"from behind, {name}", seen.mesh()


def _turned(head: Mesh, turn: np.ndarray) -> Mesh:
    vertices = (head.vertices @ turn.T).astype(np.float32)
    return Mesh(vertices, head.faces)


def _head(model, rng: Rng, number: int) -> Mesh:
    expression, hard = EXPRESSIONS[number % len(EXPRESSIONS)], Difficulty()
    intensity = 0 if expression == "neutral" else 1 + number % 4
    person = sample_subject(model, rng, hard)
    return sample_clip(model, person, expression, intensity, rng, hard, 1)[0]


def _as_mesh(thing: trimesh.Trimesh) -> Mesh:
    return Mesh(
        np.asarray(thing.vertices, np.float32), np.asarray(thing.faces, np.int32)
    )


def _fine(thing: trimesh.Trimesh) -> trimesh.Trimesh:
    return thing.subdivide_to_size(8.0)


def _joined(*parts: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.util.concatenate(parts)


def _ball(radius: float, scale=(1, 1, 1), at=(0, 0, 0)) -> trimesh.Trimesh:
    ball = _make.icosphere(4, radius)
    ball.apply_scale(scale)
    ball.apply_translation(at)
    return ball


def _limb(height: float, radius: float, turn_deg=(0, 0, 0), at=(0, 0, 0)):
    limb = _make.capsule(height=height, radius=radius)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    limb.apply_transform(turn)
    limb.apply_translation(at)
    return limb


def _hand(rng: Rng) -> trimesh.Trimesh:
    lengths = 60 + 15 * rng.random(4)
    fingers = [
        _limb(length, 9, (-90, 0, 0), (-32 + 21 * i, 50, 0))
        for i, length in enumerate(lengths)
    ]
    palm, thumb = _fine(_make.box((85, 95, 28))), _limb(50, 11, (0, 70, 0), (40, 0, 5))
    return _joined(palm, thumb, *fingers)


def _torso(rng: Rng) -> trimesh.Trimesh:
    breasts = [_ball(50, at=(x, 60, 70)) for x in (-60, 60)]
    return _joined(_ball(100, (1.6, 2.2 + 0.3 * rng.random(), 0.9)), *breasts)


def _lump(rng: Rng) -> trimesh.Trimesh:
    lump = _make.icosphere(5, 90)
    height = np.zeros(len(lump.vertices))
    for _ in range(8):
        to = rng.normal(size=3)
        to /= np.linalg.norm(to)
        height += rng.normal(0, 12) * np.exp(4 * (lump.vertices @ to / 90 - 1))
    lump.vertices *= (1 + height / 90)[:, None]
    return lump


def _noise(rng: Rng) -> trimesh.Trimesh:
    ball = _make.icosphere(5, 90)
    ball.vertices += rng.normal(0, 4, ball.vertices.shape)
    return ball


def _relief(rng: Rng) -> trimesh.Trimesh:
    n = 80
    x, y = np.meshgrid(np.linspace(-90, 90, n), np.linspace(-90, 90, n))
    z = -(x**2 + y**2) / 250 * rng.random()
    for _ in range(12):
        a, b = rng.uniform(0.01, 0.06, 2)
        z += rng.normal(0, 5) * np.sin(a * x + b * y + rng.uniform(0, 6))
    i = np.arange(n * n).reshape(n, n)
    a, b, c, d = i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]
    faces = np.stack([[a, b, c], [a, c, d]]).transpose(0, 2, 3, 1).reshape(-1, 3)
    points = np.stack([x, y, z], -1).reshape(-1, 3)
    return trimesh.Trimesh(points, faces, process=False)


_THINGS: dict[str, Callable[[Rng], trimesh.Trimesh]] = {
    "sphere": lambda rng: _ball(rng.uniform(60, 120)),
    "ellipsoid": lambda rng: _ball(100, rng.uniform(0.6, 1.3, 3)),
    "box": lambda rng: _fine(_make.box(rng.uniform(110, 240, 3))),
    "cylinder": lambda rng: _fine(_make.cylinder(*rng.uniform((50, 120), (100, 250)))),
    "cone": lambda rng: _fine(_make.cone(*rng.uniform((60, 120), (110, 240)))),
    "torus": lambda rng: _make.torus(*rng.uniform((60, 20), (90, 40))),
    "capsule": lambda rng: _limb(*rng.uniform((60, 50), (160, 90))),
    "hand": _hand,
    "foot": lambda rng: _joined(
        _limb(160, 40), _limb(150, 35, (90 * rng.random(), 0, 0))
    ),
    "torso": _torso,
    "knee": lambda rng: _joined(
        _limb(200, 55), _ball(60, at=(0, 0, 90 * rng.random()))
    ),
    "ear": lambda rng: _joined(_make.torus(60, 18), _ball(45, (1, 1.3, rng.random()))),
    "lump": _lump,
    "noise": _noise,
    "relief": _relief,
}

if __name__ == "__main__":
    command_line.run(main)
