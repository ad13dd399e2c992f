"""The unit of work: one sequence in, one example out."""

import dataclasses
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from smile_jax.data.examples import Sequence4D, make_example
from smile_jax.data.mesh_sequence import MeshFiles
from smile_jax.data.rendering import RenderConfig
from smile_jax.data.scan_builder import ScanConfig
from smile_jax.data.schema import FacesConfig
from smile_jax.mesh import Mesh, MeshError, dynamic_image, rank_pooling_weights
from smile_jax.mesh.writers import write_vrml
from tests.faces.heads import performed
from tests.mesh.shapes import sphere

LABELS = {"subject": "A", "expression": "sad"}


@dataclasses.dataclass(frozen=True)
class Growing(Sequence):
    """A sphere that moves a little each frame; some frames cannot be read."""

    frames: int
    broken: frozenset = frozenset()

    def __len__(self):
        return self.frames

    def __getitem__(self, index) -> Mesh:
        if index in self.broken:
            raise MeshError(f"frame{index}.wrl: byte 3: broken")
        ball = sphere(n=30)
        return dataclasses.replace(ball, vertices=ball.vertices + np.float32(index / 4))


def config(**fields) -> FacesConfig:
    """Of spheres, which show no face."""
    given = {"size": 16, "yaws_deg": (0.0,), "framing": "box"} | fields
    return FacesConfig(name="x", **given)


def make(count, broken=(), numbers=None, **fields):
    sequence = Sequence4D("k", Growing(count, frozenset(broken)), LABELS, numbers)
    return make_example(sequence, config(**fields))


def test_only_the_sampled_frames_are_read():
    made = make(100, frames=3, numbers=[2 * i for i in range(100)])
    assert made.frames == 3 and made.skipped == []
    assert made.example["frame_index"].tolist() == [0, 100, 198]


def test_dynamic_image_is_pooled_frame_by_frame():
    every = make(12, frames=12).example["views"].astype(np.float32) / 255
    made = make(12, frames=0, dynamic=True)
    assert made.frames == 12 and "views" not in made.example
    expected = 65535 * dynamic_image(every)  # of frames that are rounded to 8 bits
    np.testing.assert_allclose(made.example["dynamic"][0], expected, atol=130)


def test_small_motion_is_not_lost_in_a_dynamic_image():
    """Half a micrometre a frame, far less than the 256th of depth that frames keep."""
    ball = dataclasses.replace(sphere(n=30), vertices=50 * sphere(n=30).vertices)
    moved = [ball.vertices + np.float32([0, 0, 5e-4 * i]) for i in range(8)]
    frames = [dataclasses.replace(ball, vertices=points) for points in moved]
    wanted = config(frames=0, dynamic=True, channels=("depth",))
    made = make_example(Sequence4D("k", frames, LABELS), wanted).example["dynamic"]
    weights = rank_pooling_weights(8)
    per_pixel = 254 / 255 * weights @ (5e-4 * np.arange(8)) / np.abs(weights).sum()
    shift = per_pixel / 100 * 65535  # over 100 mm of depth
    inside = made[0, 0, 6:10, 6:10, 0].astype(float) - 32767.5
    np.testing.assert_allclose(inside, shift, atol=0.6)
    assert shift > 0.5


def test_one_frame_has_no_dynamic_image():
    made = make(1, frames=0, dynamic=True)
    assert made.example is None and "nothing moves" in made.skipped[0]


def test_an_unreadable_frame_is_replaced_by_its_neighbour_and_listed():
    made = make(30, broken={0}, frames=0, dynamic=True)
    assert made.example is not None
    assert made.skipped == ["k: frame0.wrl: byte 3: broken"]
    whole = make(30, frames=0, dynamic=True).example["dynamic"].astype(int)
    assert np.abs(made.example["dynamic"] - whole).mean() < 0.012 * 65535


@pytest.mark.parametrize("broken", [range(5), (3, 8, 13, 18)])
def test_a_sequence_with_too_many_unreadable_frames_is_given_up(broken):
    made = make(20, broken=broken, frames=0, dynamic=True)
    assert made.example is None
    assert "frame" in made.skipped[-1] and made.skipped[-1].startswith("k: ")


def test_a_broken_texture_costs_its_frame_only(tmp_path):
    for i in range(4):
        mesh = sphere(n=60)
        faces = mesh.faces
        uv = np.full((len(mesh.vertices), 2), 0.5, np.float32)
        textured = dataclasses.replace(mesh, uv=uv, uv_faces=faces)
        write_vrml(tmp_path / f"{i}.wrl", textured, f"{i}.png")
        Image.new("RGB", (4, 4), (200, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_bytes(b"")
    paths = tuple(tmp_path / f"{i}.wrl" for i in range(4))
    sequence = Sequence4D("k", MeshFiles(paths, needs_texture=True), LABELS)
    made = make_example(sequence, config(frames=4))
    assert made.example is not None, made.skipped
    assert made.frames == len(made.example["views"]) == 4
    assert len(made.skipped) == 1 and "2.png: not a readable" in made.skipped[0]
    assert make_example(sequence, config(frames=4, channels=("depth",))).skipped == []


def test_landmarks_that_cannot_be_used_are_noted(tmp_path):
    def anchors():
        raise MeshError("a.lm3: byte 3: damaged")

    made = make_example(
        Sequence4D("k", Growing(1), LABELS, anchors=anchors), config(pose="landmarks")
    )
    assert made.notes == [
        "k: placed by its surface, not by its landmarks: a.lm3: byte 3: damaged",
        "k: placed by its surface, not by its face: no face found, from whatever side "
        "it is looked at",
    ]


def test_a_picture_without_a_face_is_unreadable():
    """Where the scan is, or is all there is, is not in it."""
    ball = sphere(n=30)
    away = dataclasses.replace(ball, vertices=ball.vertices + np.float32(1000))
    flat = dataclasses.replace(ball, vertices=ball.vertices * np.float32([1, 1, 0]))
    for frames, said in (([ball, away], "is empty: 0.0%"), ([flat], "is flat")):
        made = make_example(Sequence4D("k", frames, LABELS), config(frames=len(frames)))
        assert said in made.skipped[0]
    stray = np.full((len(ball.vertices) // 20, 3), -1e9, np.float32)
    far = dataclasses.replace(ball, vertices=np.append(ball.vertices, stray, axis=0))
    plain, other = (
        make_example(Sequence4D("k", [mesh], LABELS), config()).example
        for mesh in (ball, far)
    )
    np.testing.assert_array_equal(plain["views"], other["views"])


def test_no_frames_and_one_unreadable_scan_are_given_up():
    assert "has no frames" in make(0).skipped[0]
    assert make(1, broken={0}).skipped == ["k: frame0.wrl: byte 3: broken"]


def test_what_has_no_label_has_minus_one():
    sequence = Sequence4D("k", Growing(1), {"subject": "A", "expression": None})
    assert make_example(sequence, config()).example["expression"] == -1


def test_memory_does_not_grow_with_the_sequence():
    peaks = []
    make(3, frames=2, dynamic=True)  # compiled code and imports are not counted
    for frames in (10, 80):
        tracemalloc.start()
        make(frames, frames=2, dynamic=True, size=64)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_units_and_pose(tmp_path):
    path = tmp_path / "scan.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    scaled = MeshFiles([path], unit_mm=1000.0)[0]
    assert scaled.vertices.max() == 1000
    with pytest.raises(MeshError, match=r"scan\.obj: it has neither texture"):
        MeshFiles([path], needs_texture=True)[0]
    with pytest.raises(ValueError, match="unit_mm=0"):
        ScanConfig(name="x", unit_mm=0)


def _other_scan(mesh):
    """The same surface with its points in another order."""
    order = np.random.default_rng(0).permutation(len(mesh.vertices))
    vertices = mesh.vertices[order]
    faces = np.argsort(order).astype(np.int32)[mesh.faces]
    return dataclasses.replace(mesh, vertices=vertices, faces=faces)


def test_motion_is_painted_where_it_is():
    ball = sphere(n=30)  # of 50 mm
    near = np.linalg.norm(ball.vertices - [0, 0, 50], axis=1) < 25
    pushed = ball.vertices + near[:, None] * np.array([0, 4.0, 0], np.float32)
    frames = [ball, dataclasses.replace(ball, vertices=pushed.astype(np.float32))]
    config = FacesConfig(
        name="x", yaws_deg=(0,), size=32, frames=2, framing="box",
        channels=("depth", "displacement", "strain"),
    )  # fmt: skip
    made = make_example(Sequence4D("s", frames, {"subject": "a"}), config)
    assert not made.skipped
    still, moved = made.example["views"][:, 0]
    face = still[..., 0] > 0
    assert (still[face, 1:4] == 128).all() and (still[face, 4] == 128).all()
    assert (still[~face] == 0).all()
    middle, edge = moved[16, 16], moved[16, 5]
    # Upwards alone; a little less than 4 mm, for skin is averaged: 128 + 127 * 4 / 6.
    assert 160 < middle[2] <= 213 and abs(int(middle[1]) - 128) < 10
    # 0.3 mm: as exactly as the head's own motion is found.
    assert abs(int(edge[2]) - 128) < 16 and moved[..., 4].max() > 140

    # Another scan of the same two: seen is what goes along the surface's normals.
    out = (ball.vertices * (1 + 0.08 * near[:, None])).astype(np.float32)  # by 4 mm
    scans = [ball, *[_other_scan(dataclasses.replace(ball, vertices=out))] * 3]
    refused = make_example(Sequence4D("s", scans, {"subject": "a"}), config)
    assert refused.example is None
    assert "leave strain out" in refused.skipped[-1]
    config = dataclasses.replace(config, channels=("depth", "displacement"))
    made = make_example(Sequence4D("s", scans, {"subject": "a"}), config)
    assert not made.skipped
    moved = made.example["views"][1, 0]
    assert 160 < moved[16, 16, 3] <= 213 and abs(int(moved[16, 16, 1]) - 128) < 10
    assert abs(int(moved[16, 5, 1]) - 128) < 16
    with pytest.raises(ValueError, match="what would move"):
        FacesConfig(name="x", channels=("strain",))


def test_a_head_without_a_symmetric_face_is_framed_by_its_landmarks(monkeypatch):
    """And it is said; without landmarks it is refused as before."""
    from smile_jax.data import examples
    from smile_jax.mesh.pose import Anchors

    def nothing(mesh):
        raise MeshError("no symmetric face found")

    monkeypatch.setattr(examples, "pose_from_surface", nothing)
    anchors = Anchors(
        eyes=(np.array([-30.0, 30, 80]), np.array([30.0, 30, 80])),
        mouth=np.array([0.0, -40, 90]),
        nose_tip=np.array([0.0, 0, 110]),
    )
    (head,) = performed("happy")
    config = RenderConfig(size=16, yaws_deg=(0.0,), framing="face")
    sequence = Sequence4D("a", [head], {"expression": 0}, anchors=lambda: anchors)
    made = make_example(sequence, config)
    assert made.example is not None
    assert "placed by its landmarks, not by its surface: no sym" in made.notes[0]
    bare = dataclasses.replace(head, landmarks=None)
    sequence = dataclasses.replace(sequence, anchors=None, frames=[bare])
    refused = make_example(sequence, config)
    assert refused.example is None and "no symmetric face" in refused.skipped[0]
