"""Valid files of other exporters, and files that are something else than their name."""

import numpy as np
import pytest
import trimesh
from PIL import Image

from smile_jax.mesh import MeshError, read_mesh
from smile_jax.mesh.polygons import fan

POINTS = [(0, 0, 0), (2, 0, 0), (2, 2, 0), (0, 2, 0), (1, 3, 1)]
XYZ = "property float x\nproperty float y\nproperty float z\n"
FACES = "property list uchar int vertex_indices\n"


def ply(path, elements, rows, form="ascii", before=""):
    head = f"ply\nformat {form} 1.0\n{before}{elements}end_header\n".encode()
    body = rows if isinstance(rows, bytes) else "\n".join(rows).encode() + b"\n"
    path.write_bytes(head + body)
    return path


def lines(rows):
    return [" ".join(map(str, row)) for row in rows]


HEAD = f"element vertex 5\n{XYZ}"


def test_edges_and_unknown_elements_of_a_ply(tmp_path):
    elements = (
        f"element camera 1\nproperty float fx\nproperty list uchar float k\n{HEAD}"
        f"element face 2\n{FACES}"
        "element edge 2\nproperty int vertex1\nproperty int vertex2\n"
    )
    rows = ["600 2 0.5 0.25", *lines(POINTS), "3 0 1 2", "4 0 2 4 3", "0 1", "1 2"]
    mesh = read_mesh(ply(tmp_path / "a.ply", elements, rows))
    np.testing.assert_array_equal(mesh.vertices, POINTS)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 4], [0, 4, 3]]


@pytest.mark.parametrize("order", ["little", "big"])
def test_mixed_polygons_and_colours_in_binary(tmp_path, order):
    sign = "<" if order == "little" else ">"
    points = np.zeros(5, [("xyz", f"{sign}f8", 3), ("rgb", "u1", 3)])
    points["xyz"], points["rgb"] = POINTS, [255, 0, 51]
    faces = [(3, [0, 1, 2]), (4, [0, 2, 4, 3]), (3, [1, 2, 4])]
    body = points.tobytes() + b"".join(
        np.uint8(n).tobytes() + np.array(i, f"{sign}i4").tobytes() + b"\7"
        for n, i in faces
    )
    xyz = XYZ.replace("float", "double")
    colors = "".join(f"property uchar {c}\n" for c in ("red", "green", "blue"))
    elements = (
        f"element vertex 5\n{xyz}{colors}element face 3\n{FACES}property uchar flags\n"
    )
    form = f"binary_{order}_endian"
    mesh = read_mesh(ply(tmp_path / "a.ply", elements, body, form))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 4], [0, 4, 3], [1, 2, 4]]
    np.testing.assert_allclose(mesh.colors, [[1, 0, 0.2]] * 5)
    with pytest.raises(MeshError, match=r"b\.ply: .*row 2 of the 3 of 'face'"):
        read_mesh(ply(tmp_path / "b.ply", elements, body[:-3], form))


def test_strips_of_a_ply(tmp_path):
    elements = f"{HEAD}element tristrips 1\nproperty list int int vertex_indices\n"
    rows = [*lines(POINTS), "9 0 1 3 2 4 -1 0 1 4"]
    faces = read_mesh(ply(tmp_path / "a.ply", elements, rows)).faces
    assert faces.tolist() == [[0, 1, 3], [3, 1, 2], [3, 2, 4], [0, 1, 4]]
    elements = elements.replace("tristrips 1", "tristrips 2")
    rows = [*lines(POINTS), "3 0 1 3", "3 2 3 4"]  # a row may end a strip
    faces = read_mesh(ply(tmp_path / "a.ply", elements, rows)).faces
    assert faces.tolist() == [[0, 1, 3], [2, 3, 4]]


@pytest.mark.parametrize("names", [("s", "t"), ("u", "v"), ("texture_u", "texture_v")])
def test_texture_of_points_of_a_ply(tmp_path, names):
    Image.new("RGB", (2, 2)).save(tmp_path / "skin.png")
    both = "".join(f"property float {name}\n" for name in names)
    elements = f"element vertex 5\n{XYZ}{both}element face 1\n{FACES}"
    rows = [*lines((*p, p[0] / 2, p[1] / 4) for p in POINTS), "3 0 1 2"]
    comment = "comment TextureFile skin.png\n"
    mesh = read_mesh(ply(tmp_path / "a.ply", elements, rows, before=comment))
    assert mesh.images == (tmp_path / "skin.png",)
    np.testing.assert_allclose(mesh.uv[mesh.uv_faces[0]], [[0, 0], [1, 0], [1, 0.5]])
    (tmp_path / "skin.png").unlink()
    (said,) = read_mesh(tmp_path / "a.ply").texture_notes
    assert said.startswith("its texture image 'skin.png' is not found in")


def test_texture_of_faces_of_a_ply_and_several_images(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    elements = (
        f"{HEAD}element face 2\n{FACES}property list uchar float texcoord\n"
        "property int texnumber\n"
    )
    first, second = [0, 0, 1, 0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    rows = lines([*POINTS, [4, 0, 1, 2, 3, 8, *first, 1], [3, 3, 2, 4, 6, *second, 0]])
    both = "comment TextureFile a.jpg\ncomment TextureFile b.jpg\n"
    mesh = read_mesh(ply(tmp_path / "x.ply", elements, rows, before=both))
    assert [m.image.name for m in mesh.materials[:2]] == ["a.jpg", "b.jpg"]
    assert mesh.face_materials.tolist() == [1, 1, 0]
    expected = [[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]]
    expected.append([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    np.testing.assert_allclose(mesh.uv[mesh.uv_faces], expected)


def test_faces_without_coordinates_beside_some_with(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.jpg")
    elements = f"{HEAD}element face 3\n{FACES}property list uchar float texcoord\n"
    both = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    rows = lines(
        [*POINTS, [3, 0, 1, 2, 6, *both], [3, 0, 2, 3, 0], [3, 3, 2, 4, 6, *both]]
    )
    comment = "comment TextureFile a.jpg\n"
    mesh = read_mesh(ply(tmp_path / "x.ply", elements, rows, before=comment))
    np.testing.assert_allclose(mesh.uv[mesh.uv_faces[2]].ravel(), both)
    assert [mesh.materials[i].image is None for i in mesh.face_materials] == [0, 1, 0]
    bare = f"{HEAD}element face 1\n{FACES}"
    path = ply(tmp_path / "y.ply", bare, [*lines(POINTS), "3 0 1 2"], before=comment)
    assert "'a.jpg' has no coordinates" in read_mesh(path).texture_notes[0]


@pytest.mark.parametrize(
    "row, said",
    [
        ("999999999 0 1 2", "row 0 of the 1 of 'face'"),
        ("4 0 1 2", "row 0 of the 1 of 'face'"),
        ("3 0 1", "row 0 of the 1 of 'face'"),
        ("3 0 1 x", "'x' is no number"),
        ("3 0 1 77", "face index 77"),
        ("3 0 1 -5", "outside"),
    ],
)
def test_faces_that_say_more_than_they_list(tmp_path, row, said):
    elements = f"{HEAD}element face 1\n{FACES}"
    with pytest.raises(MeshError, match=rf"a\.ply: byte.*{said}"):
        read_mesh(ply(tmp_path / "a.ply", elements, [*lines(POINTS), row]))


def test_the_same_mesh_by_trimesh(tmp_path):
    """As the reader of before had it."""
    solid = trimesh.creation.icosphere(3, 50)
    for encoding in ("binary", "ascii"):
        solid.export(tmp_path / "a.ply", encoding=encoding)
        mesh = read_mesh(tmp_path / "a.ply")
        np.testing.assert_allclose(mesh.vertices, solid.vertices, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(mesh.faces, solid.faces)


def test_fans():
    corners, polygons = fan(np.array([3, 2, 5, 0, 3]))
    assert corners.tolist() == [[0, 1, 2], [5, 6, 7], [5, 7, 8], [5, 8, 9],
                                [10, 11, 12]]  # fmt: skip
    assert polygons.tolist() == [0, 2, 2, 2, 4]


def test_lines_of_an_obj_that_go_on(tmp_path):
    text = "v 0 0 \\\n0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 \\ \r\n 3 4\nf 1 2 9\n"
    (tmp_path / "a.obj").write_bytes(text.encode())
    with pytest.raises(
        MeshError, match=r"byte 55 \(line 8, '9'\): a face's corner names"
    ):
        read_mesh(tmp_path / "a.obj")
    (tmp_path / "a.obj").write_bytes(text.replace("f 1 2 9\n", "").encode())
    assert read_mesh(tmp_path / "a.obj").faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_comments_that_end_in_a_backslash_are_no_lines_that_go_on(tmp_path):
    text = "# C:\\scans\\\nv 5 5 5\nv 1 0 0\nv 0 1 0\nf 1 2 3 # \\\nf 3 2 1\n"
    (tmp_path / "a.obj").write_text(text)
    mesh = read_mesh(tmp_path / "a.obj")
    assert mesh.vertices[0].tolist() == [5, 5, 5] and len(mesh.faces) == 2


def test_off(tmp_path):
    rows = [*lines(POINTS), "3 0 1 2", "4 0 2 4 3"]
    text = "OFF\n# a comment\n5 2 0\n" + "\n".join(rows) + "\n"
    (tmp_path / "a.off").write_text(text)
    mesh = read_mesh(tmp_path / "a.off")
    np.testing.assert_array_equal(mesh.vertices, POINTS)
    assert len(mesh.faces) == 3
    short = text.replace("4 0 2 4 3", "9 0 2 4")
    for bad in (
        short,
        text.replace("0 0 0\n", "", 1),
        text[:-12],
        text.replace("5 2 0", "5 999999999 0"),
        text[4:],
        "",
    ):
        (tmp_path / "b.off").write_text(bad)
        with pytest.raises(MeshError, match=r"b\.off"):
            read_mesh(tmp_path / "b.off")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 12345\n"


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.obj", LFS, "a pointer of Git LFS, not the file itself"),
        ("a.glb", LFS, "git lfs pull"),
        ("a.ply", b"\n<!DOCTYPE html>\n<html>login</html>", "a web page in place"),
        ("a.wrl", b"<html><head></head></html>", "download it again"),
        (
            "a.obj",
            b"ply\nformat ascii 1.0\n",
            "content is a PLY mesh.*rename it to .ply",
        ),
        ("a.stl", b"glTF\2\0\0\0" + bytes(20), "a glTF mesh in one file"),
        ("a.obj", b"#VRML V2.0 utf8\n", "a VRML mesh, whatever its name says"),
        ("a.ply", b"PK\x03\x04" + bytes(40), "a ZIP archive.*unpack it"),
        ("a.obj", b"\x1f\x8b\x08" + bytes(40), "a gzip archive"),
        ("a.glb", b"\x89PNG\r\n\x1a\n", "a PNG image"),
        ("a.obj", b"Kaydara FBX Binary  \0", "an FBX scene"),
        ("a.obj", b"solid x\nfacet normal 0 0 1\n", "an STL mesh"),
    ],
)
def test_files_that_are_something_else(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MeshError, match=rf"a\.\w+: byte 0: .*{said}"):
        read_mesh(tmp_path / name)
