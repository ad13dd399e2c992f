"""`read_mesh`: what it returns, what it repairs and what it refuses."""

import numpy as np
import pytest
import trimesh
from PIL import Image

from smile_jax.mesh import MeshError, read_mesh
from tests.mesh.shapes import CUBE_OBJ


def write(tmp_path, content: str, name: str = "scan.obj"):
    path = tmp_path / name
    path.write_text(content)
    return path


def test_obj(tmp_path):
    mesh = read_mesh(write(tmp_path, CUBE_OBJ))
    assert mesh.vertices.shape == (8, 3) and mesh.vertices.dtype == np.float32
    assert mesh.faces.shape == (12, 3) and mesh.faces.dtype == np.int32
    assert mesh.uv is None and mesh.images == () and mesh.repairs == {}


@pytest.mark.parametrize("encoding", ["binary", "ascii"])
def test_ply_with_vertex_colours(tmp_path, encoding):
    box = trimesh.creation.box()
    box.visual.vertex_colors = np.tile([255, 0, 51, 255], (8, 1))
    box.export(tmp_path / "scan.ply", encoding=encoding)
    mesh = read_mesh(tmp_path / "scan.ply")
    assert mesh.vertices.shape == (8, 3) and mesh.faces.shape == (12, 3)
    np.testing.assert_allclose(mesh.colors, np.tile([1, 0, 0.2], (8, 1)), atol=1e-6)


@pytest.mark.parametrize("kind", ["stl", "stl_ascii"])
def test_stl_joins_equal_corners(tmp_path, kind):
    path = tmp_path / "scan.stl"
    trimesh.creation.icosphere(2, 50).export(path, file_type=kind)
    mesh = read_mesh(path)
    assert mesh.vertices.shape == (162, 3) and mesh.faces.shape == (320, 3)
    content = path.read_bytes()
    for share in (0.0, 0.05, 0.5, 0.99):
        (tmp_path / "cut.stl").write_bytes(content[: int(share * len(content))])
        with pytest.raises(MeshError, match=r"cut\.stl"):
            read_mesh(tmp_path / "cut.stl")


def test_uv_seam_keeps_one_vertex(tmp_path):
    content = "mtllib face.mtl\n" + "".join(
        f"v {x} {y} 0\n" for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))
    )
    content += "vt 0 0\nvt 1 0\nvt 1 1\nvt .5 .5\nvt .2 .2\nvt 0 1\n"
    content += "usemtl skin\nf 1/1 2/2 3/3\nf 1/5 3/4 4/6\n"
    path = write(tmp_path, content)
    (tmp_path / "face.mtl").write_text("newmtl skin\nmap_Kd textures\\Face.PNG\n")
    Image.new("RGB", (2, 2)).save(tmp_path / "Face.PNG")
    mesh = read_mesh(path)
    assert mesh.vertices.shape == (4, 3)
    assert mesh.images == (tmp_path / "Face.PNG",)
    corners = {
        tuple(mesh.vertices[v].tolist()): mesh.uv[t].tolist()
        for v, t in zip(mesh.faces[1], mesh.uv_faces[1], strict=True)
    }
    assert corners[(0, 0, 0)] == pytest.approx([0.2, 0.2])
    assert corners[(1, 1, 0)] == pytest.approx([0.5, 0.5])


def test_texture_of_the_same_stem(tmp_path):
    path = write(tmp_path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    Image.new("RGB", (2, 2)).save(tmp_path / "scan.jpg")
    assert read_mesh(path).images == (tmp_path / "scan.jpg",)


def test_repairs_are_counted(tmp_path):
    grid = [(x, y) for y in range(10) for x in range(10)]
    content = "".join(f"v {x} {y} 0\n" for x, y in grid)
    faces = [(a, a + 1, a + 11) for a in range(1, 90) if a % 10] + [
        (a, a + 11, a + 10) for a in range(1, 90) if a % 10
    ]
    content += "v 9 9 0\nv nan 0 0\n"  # a copy of the last point, and a bad one
    content += "".join("f {} {} {}\n".format(*f) for f in faces)
    content += "f 1 1 2\nf 101 90 89\nf 102 1 2\n"
    mesh = read_mesh(write(tmp_path, content))
    assert mesh.vertices.shape == (100, 3)
    assert np.isfinite(mesh.vertices).all()
    assert mesh.faces.shape == (len(faces) + 1, 3)
    assert mesh.repairs == {
        "non-finite points removed": 1,
        "duplicate points merged": 1,
        "faces on non-finite points removed": 1,
        "degenerate faces removed": 1,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "scan.obj"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\n", "scan.obj"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "scan.obj"),
        ("v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "unusable"),
        ("v 0 0 0\nv 0 0 0\nv 0 1 0\nf 1 2 3\n", "degenerate faces removed: 1"),
        ("v 0 0 0\nv 1 0\nv 0 1 0\nf 1 2 3\n", "scan.obj"),
    ],
    ids=["empty", "no faces", "index", "nan", "degenerate", "two coordinates"],
)
def test_unusable_files_are_named(tmp_path, content, message):
    with pytest.raises(MeshError, match=message):
        read_mesh(write(tmp_path, content))


def test_truncated_binary_ply(tmp_path):
    trimesh.creation.icosphere().export(tmp_path / "scan.ply")
    content = (tmp_path / "scan.ply").read_bytes()
    for share in (0.02, 0.3, 0.7, 0.95):
        (tmp_path / "cut.ply").write_bytes(content[: int(share * len(content))])
        with pytest.raises(MeshError, match=r"cut\.ply"):
            read_mesh(tmp_path / "cut.ply")


def test_unknown_format_and_missing_file(tmp_path):
    with pytest.raises(MeshError, match=r"known: \.bnt, .*\.wrl"):
        read_mesh(tmp_path / "scan.abc")
    with pytest.raises(MeshError, match="no such file"):
        read_mesh(tmp_path / "scan.obj")
