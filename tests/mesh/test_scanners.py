"""Depth images and point clouds: what scanners give becomes the head that they saw."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from smile_jax.faces.scanner import DepthSensor
from smile_jax.inference.input_files import find_inputs
from smile_jax.mesh import MeshError, read_mesh
from smile_jax.mesh.depth_image import is_depth_image, noise_of
from smile_jax.mesh.point_clouds import unpack_lzf
from smile_jax.mesh.types import Mesh
from smile_jax.mesh.writers import write_ply
from tests.faces.heads import performed
from tests.mesh.point_files import pcd

FOCAL, AWAY = 300.0, 500.0  # pixels and mm: 1.7 mm a pixel


@pytest.fixture(scope="module")
def head() -> Mesh:
    (found,) = performed("happy", seed=3)
    middle = found.vertices.mean(axis=0)
    return dataclasses.replace(found, vertices=found.vertices - middle, landmarks=None)


@pytest.fixture(scope="module")
def depth(head):
    return DepthSensor(240, 320, FOCAL, AWAY).depth(head)


def camera(folder, unit_mm=1.0, name="camera.json", **more):
    content = {"fx": FOCAL, "unit_mm": unit_mm, **more}
    (folder / name).write_text(json.dumps(content))


def errors(mesh, head):
    """Distances of its points from the head's, seen by the same camera, in mm."""
    points = mesh.vertices + np.array([0, 0, AWAY], np.float32)
    dense = surface(head, 300_000, np.random.default_rng(1))
    apart, _ = cKDTree(dense).query(points)
    return apart


def surface(head, count, rng):
    """Points on its triangles, as many on each square mm."""
    a, b, c = (head.vertices[head.faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    f = rng.choice(len(area), count, p=area / area.sum())
    u = np.sort(rng.random((count, 2)), axis=1)
    weights = np.stack([u[:, 0], u[:, 1] - u[:, 0], 1 - u[:, 1]], axis=1)
    return np.einsum("nk,nkc->nc", weights, np.stack([a[f], b[f], c[f]], axis=1))


def test_a_depth_image_in_tenths_of_mm(head, depth, tmp_path):
    Image.fromarray((10 * depth).round().astype(np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(MeshError, match=r"a\.png: a depth image needs its camera"):
        read_mesh(tmp_path / "a.png")
    camera(tmp_path, 0.1)
    assert is_depth_image(tmp_path / "a.png")
    mesh = read_mesh(tmp_path / "a.png")
    assert np.percentile(errors(mesh, head), 95) < 0.7
    z = mesh.vertices[:, 2]
    nose = mesh.vertices[z.argmax()]
    true = head.vertices[head.vertices[:, 2].argmax()]
    np.testing.assert_allclose(
        nose[:2], true[:2], atol=3
    )  # neither mirrored nor turned
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    facing = np.einsum("nc,nc->n", np.cross(b - a, c - a), -(a + b + c))
    assert (facing > 0).all()  # all triangles show the camera their outside


@pytest.mark.parametrize("kind", ["npy", "exr"])
def test_depth_in_floats_and_in_metres(head, depth, kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    metres = np.where(depth > 0, depth / 1000, np.nan).astype(np.float32)
    if kind == "npy":
        np.save(path, metres)
    else:
        exr = pytest.importorskip("OpenEXR")
        head_of = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
        exr.File(head_of, {"Z": exr.Channel(metres)}).write(str(path))
    camera(tmp_path, 1000.0, "a.json", cx=159.5, cy=119.5)
    assert np.percentile(errors(read_mesh(path), head), 95) < 0.7


def test_noise_is_measured_and_taken_away(head, depth, tmp_path):
    rng = np.random.default_rng(0)
    noisy = np.where(depth > 0, depth + rng.normal(0, 1.0, depth.shape), 0)
    assert noise_of(noisy, FOCAL) == pytest.approx(1.0, rel=0.15)
    assert noise_of(depth.astype(float), FOCAL) < 0.1
    Image.fromarray(noisy.round().astype(np.uint16)).save(tmp_path / "a.png")
    camera(tmp_path)
    mesh = read_mesh(tmp_path / "a.png")
    off = errors(mesh, head)
    # Half of 1 mm noise and of steps of 1 mm is over 0.7 mm, and a tenth over 1.7.
    assert np.median(off) < 0.4 and np.percentile(off, 90) < 0.8


def test_what_lies_behind_is_cut_off(head, depth, tmp_path):
    wall = np.where(depth > 0, depth, 900).round().astype(np.uint16)
    wall[:5] = 0
    wall[5:8] = 65535  # what a sensor writes where it saw nothing
    Image.fromarray(wall).save(tmp_path / "a.png")
    camera(tmp_path)
    mesh = read_mesh(tmp_path / "a.png")
    assert mesh.vertices[:, 2].min() > -700
    assert mesh.notes == ("the nearest of its 2 pieces is taken",)


@pytest.mark.parametrize(
    "content, said",
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "no JSON object"),
        ('{"unit_mm": 1}', "fx is 'None', not a number above 0"),
        ('{"fx": 600}', "unit_mm is 'None'"),
        ('{"fx": -3, "unit_mm": 1}', "fx is '-3'"),
        ('{"fx": 600, "unit_mm": 1, "cx": "x"}', "cx is 'x'"),
    ],
)
def test_cameras_that_are_none(tmp_path, content, said):
    Image.fromarray(np.full((9, 9), 500, np.uint16)).save(tmp_path / "a.png")
    (tmp_path / "camera.json").write_text(content)
    with pytest.raises(MeshError, match=rf"camera\.json: {said}"):
        read_mesh(tmp_path / "a.png")


@pytest.mark.parametrize(
    "image, said",
    [
        (np.zeros((9, 9), np.uint16), "no pixel of 81 has a depth"),
        (np.arange(9, dtype=np.uint16)[None] * 1000 + 1, "near to its neighbours"),
    ],
)
def test_depths_of_nothing(tmp_path, image, said):
    Image.fromarray(image).save(tmp_path / "a.png")
    camera(tmp_path)
    with pytest.raises(MeshError, match=rf"a\.png: .*{said}"):
        read_mesh(tmp_path / "a.png")


def test_pictures_are_no_scans_and_depth_images_are(depth, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "color.png")
    Image.new("L", (4, 4)).save(tmp_path / "grey.png")
    Image.fromarray((10 * depth).astype(np.uint16)).save(tmp_path / "depth.png")
    with pytest.raises(MeshError, match="no meshes"):
        find_inputs([tmp_path])
    camera(tmp_path, 0.1)
    found = find_inputs([tmp_path], "each")
    assert [clip.name for clip in found.clips] == [str(tmp_path / "depth.png")]
    assert not found.other_files
    with pytest.raises(MeshError, match=r"grey\.png: .*L pixels, not grey ones of 16"):
        read_mesh(tmp_path / "grey.png")


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_point_cloud_gets_a_surface(head, tmp_path, noise):
    pytest.importorskip("skimage")
    rng = np.random.default_rng(0)
    points = surface(head, 12_000, rng)
    points = points + rng.normal(0, noise, points.shape)
    colors = np.tile([255, 0, 51], (len(points), 1))
    stray = [[0, 0, 900, 1, 2, 3]]
    rows = np.concatenate([np.concatenate([points, colors], axis=1), stray])
    np.savetxt(tmp_path / "a.xyz", rows, fmt="%.4f")
    mesh = read_mesh(tmp_path / "a.xyz")
    assert mesh.repairs["lone points left out"] == 1
    assert mesh.notes[0].startswith("it is a point cloud of 12001 points")
    np.testing.assert_allclose(mesh.colors[0], [1, 0, 0.2])
    true = cKDTree(surface(head, 200_000, rng))
    apart, _ = true.query(mesh.vertices)
    assert np.percentile(apart, 95) < 0.8 + 0.6 * noise
    covered, _ = cKDTree(mesh.vertices).query(surface(head, 5000, rng))
    assert np.percentile(covered, 99) < 3.0 + noise  # no holes
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    p, q, r = (head.vertices[head.faces[:, k]] for k in range(3))
    expected = np.linalg.norm(np.cross(q - p, r - p), axis=1).sum() / 2
    assert area == pytest.approx(expected, rel=0.08 + 0.15 * noise)


def test_clouds_in_a_ply_and_an_obj(head, tmp_path):
    pytest.importorskip("skimage")
    points = surface(head, 3000, np.random.default_rng(0))
    text = "".join("v {} {} {}\n".format(*p) for p in points.tolist())
    (tmp_path / "a.obj").write_text(text)
    cloud = Mesh(points.astype(np.float32), np.empty((0, 3), np.int32))
    write_ply(tmp_path / "a.ply", cloud)
    for name in ("a.obj", "a.ply"):
        mesh = read_mesh(tmp_path / name)
        assert len(mesh.faces) > 3000 and "3000 points" in mesh.notes[0]
    few = "".join(f"v {i} {i * i} 0\n" for i in range(20))
    (tmp_path / "b.obj").write_text(few)
    with pytest.raises(MeshError, match="point cloud of 20 points, too few for a face"):
        read_mesh(tmp_path / "b.obj")
    line = "".join(f"v {i} 0 0\n" for i in range(400))
    (tmp_path / "c.obj").write_text(line)
    with pytest.raises(MeshError, match=r"c\.obj"):
        read_mesh(tmp_path / "c.obj")


@pytest.mark.parametrize("form", ["ascii", "binary", "binary_compressed"])
def test_pcd_of_a_sensors_grid(depth, head, form, tmp_path):
    """In the camera's axes and metres, NaN where nothing was seen."""
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]]
    z = np.where(depth > 0, depth / 1000, np.nan)
    x, y = (columns - 159.5) / FOCAL * z, (rows - 119.5) / FOCAL * z
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    colors = None
    if form != "ascii":
        colors = np.tile(np.array([255, 0, 51], np.uint32), (len(points), 1))
    path = pcd(tmp_path / "a.pcd", points, form, len(depth), colors)
    mesh = read_mesh(path)
    mm = dataclasses.replace(mesh, vertices=mesh.vertices * np.float32(1000))
    assert np.percentile(errors(mm, head), 95) < 0.7
    if colors is not None:
        np.testing.assert_allclose(mesh.colors[5], [1, 0, 0.2])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(MeshError, match=r"a\.pcd: byte \d+: \d+ points announced"):
        read_mesh(path)


def test_pcd_without_a_grid(head, tmp_path):
    pytest.importorskip("skimage")
    points = surface(head, 3000, np.random.default_rng(0))
    mesh = read_mesh(pcd(tmp_path / "a.pcd", points, "binary"))
    assert len(mesh.faces) > 3000
    text = (tmp_path / "a.pcd").read_bytes().replace(b"TYPE F F F", b"TYPE F F X")
    (tmp_path / "a.pcd").write_bytes(text)
    with pytest.raises(MeshError, match="FIELDS, SIZE, TYPE and COUNT do not agree"):
        read_mesh(tmp_path / "a.pcd")


def test_lzf_by_hand():
    """`abc` as it stands, then five bytes from three before: it overlaps itself."""
    data = np.frombuffer(b"\x02abc" + bytes([(5 - 2) << 5, 2]), np.uint8)
    out = np.empty(8, np.uint8)
    assert unpack_lzf(data, out) == 8 and out.tobytes() == b"abcabcab"
    assert unpack_lzf(np.frombuffer(bytes([96, 200]), np.uint8), out) == -1


@pytest.mark.parametrize(
    "text, said",
    [
        ("1 2\n3 4\n", "line 1, '1 2'"),
        ("1 2 3\n4 5\n", "line 2, '4 5'"),
        ("1 2 3\n4 x 6\n", "line 2"),
    ],
)
def test_lines_that_are_no_points(tmp_path, text, said):
    (tmp_path / "a.xyz").write_text(text)
    with pytest.raises(MeshError, match=rf"a\.xyz: byte \d+ \({said}"):
        read_mesh(tmp_path / "a.xyz")
