"""Random valid files of every format, written and read back."""

import json
import struct

import hypothesis
import numpy as np
import pytest
import trimesh
from hypothesis import strategies as st
from PIL import Image

from smile_jax.mesh import MeshError, VertexSequence, read_landmarks, read_mesh
from smile_jax.mesh.bosphorus import grid_faces
from smile_jax.mesh.landmarks import Landmarks
from smile_jax.mesh.number_parsing import CLOSED, parse_list
from smile_jax.mesh.types import Mesh
from smile_jax.mesh.writers import (
    write_bnt,
    write_landmarks,
    write_obj,
    write_ply,
    write_vrml,
)

# The same examples every time: a run that fails, fails again.
hypothesis.settings.register_profile(
    "ours", max_examples=60, deadline=None, derandomize=True
)
hypothesis.settings.load_profile("ours")

NUMBER = st.floats(-1e6, 1e6, width=32).map(lambda x: x + 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("formats")


@st.composite
def meshes(draw) -> Mesh:
    """Distinct points, one to twelve triangles, a second index for texture corners."""
    n, k = draw(st.integers(3, 12)), draw(st.integers(3, 8))
    heights = draw(st.lists(NUMBER, min_size=n, max_size=n))
    points = np.stack([np.arange(n), np.arange(n) ** 2, heights], 1)
    corner = st.permutations(range(n)).map(lambda p: p[:3])
    faces = draw(st.lists(corner, min_size=1, max_size=12))
    uv_faces = [[draw(st.integers(0, k - 1)) for _ in range(3)] for _ in faces]
    uv = draw(st.lists(st.integers(0, 1000), min_size=2 * k, max_size=2 * k))
    return Mesh(
        vertices=points.astype(np.float32),
        faces=np.array(faces, np.int32),
        uv=np.array(uv, np.float32).reshape(-1, 2) / 1000,
        uv_faces=np.array(uv_faces, np.int32),
    )


def corners(mesh: Mesh) -> tuple[np.ndarray, np.ndarray | None]:
    """A summary that does not depend on how points are numbered."""
    uv = None if mesh.uv is None else mesh.uv[mesh.uv_faces]
    return mesh.vertices[mesh.faces], uv


def assert_same(read: Mesh, mesh: Mesh, textured: bool = True, atol: float = 1e-4):
    np.testing.assert_allclose(corners(read)[0], corners(mesh)[0], rtol=1e-6, atol=atol)
    if textured:
        np.testing.assert_allclose(corners(read)[1], corners(mesh)[1], atol=1e-5)
    else:
        assert read.uv is None


NAMES = ["skin.png", "SKIN.PNG", "C:\\a\\skin.bmp", "x/skin.png"]


@st.composite
def styles(draw) -> dict:
    """How a VRML exporter may lay a file out."""
    return {
        "gap": draw(st.sampled_from([" ", ", ", ",", "\t", "\n", " ,\r\n"])),
        "end": draw(st.sampled_from(["\n", "\r\n", " "])),
        "last": draw(st.sampled_from(["", ",", " ", ",\n"])),
        "comment": draw(st.booleans()),
        "uv_first": draw(st.booleans()),
        "last_end": draw(st.booleans()),
        "url": draw(st.sampled_from(['url "%s"', 'url [ "%s" ]', 'url ["%s"]'])),
        "name": draw(st.sampled_from(NAMES)),
        "spell": draw(st.sampled_from(["%.6f", "%.9g", "%e", "%+.7f"])),
    }  # fmt: skip


def vrml_text(mesh: Mesh, style: dict, polygons: list, uv_polygons: list) -> str:
    gap = style["gap"]

    def rows(array):
        spell = style["spell"]
        return gap.join(" ".join(spell % x for x in row) for row in array.tolist())

    def index(lists):
        flat = [i for one in lists for i in [*one, -1]]
        return gap.join(str(i) for i in (flat if style["last_end"] else flat[:-1]))

    end = style["end"]
    note = "# a comment ] with [ brackets\n" if style["comment"] else ""
    coord = (
        f"coord DEF P Coordinate {{ point [{end}{note}{rows(mesh.vertices)}"
        f"{style['last']}] }}{end} coordIndex [{end}{index(polygons)}{style['last']}]\n"
    )
    uv = (
        f"texCoord TextureCoordinate {{ point [ {rows(mesh.uv)}{style['last']} ] }}"
        f"{end}"
        f"texCoordIndex [{index(uv_polygons)} ]{end}"
    )
    parts = [uv, coord] if style["uv_first"] else [coord, uv]
    texture = "texture ImageTexture { " + style["url"] % style["name"] + " }"
    return (
        f"#VRML V2.0 utf8{end if end != ' ' else chr(10)}{note}Shape {{ appearance "
        f"Appearance {{ {texture} }}{end} geometry IndexedFaceSet {{ solid FALSE{end}"
        f"{''.join(parts)} }} }}\nDEF Tricorder_Camera_Front Viewpoint "
        "{ position 0 0 9 }"
    )


@hypothesis.given(mesh=meshes(), style=styles())
def test_vrml(folder, mesh, style):
    Image.new("RGB", (2, 2)).save(folder / "skin.png")
    text = vrml_text(mesh, style, mesh.faces.tolist(), mesh.uv_faces.tolist())
    (folder / "scan.wrl").write_text(text, newline="")
    read = read_mesh(folder / "scan.wrl")
    assert_same(read, mesh)
    assert read.images == (folder / "skin.png",) and read.repairs == {}


@hypothesis.given(
    sides=st.lists(st.integers(1, 6), min_size=1, max_size=8), style=styles()
)
def test_vrml_polygons_are_fanned(folder, sides, style):
    polygons, uv_polygons, angle = [], [], np.linspace(0, 2 * np.pi, 7)[:6]
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    points = np.concatenate([ring + np.array([3 * i, 0, i]) for i in range(len(sides))])
    for i, n in enumerate(sides):
        polygons.append([6 * i + c for c in range(n)])
        uv_polygons.append([(c + i) % 4 for c in range(n)])
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    mesh = Mesh(points.astype(np.float32), np.zeros((0, 3), np.int32), uv=uv)
    text = vrml_text(mesh, style, polygons, uv_polygons)
    (folder / "fan.wrl").write_text(text, newline="")
    expected = [(p[0], p[i], p[i + 1]) for p in polygons for i in range(1, len(p) - 1)]
    if not expected:
        with pytest.raises(MeshError, match="has no faces"):
            read_mesh(folder / "fan.wrl")
        return
    read = read_mesh(folder / "fan.wrl")
    np.testing.assert_allclose(corners(read)[0], points[np.array(expected)], atol=1e-5)
    short = sum(n < 3 for n in sides)
    assert read.repairs.get("polygons of fewer than 3 corners removed", 0) == short


def test_vrml_of_several_shapes_is_joined(folder, rng):
    one = Mesh(
        rng.random((5, 3), np.float32),
        np.array([[0, 1, 2], [2, 3, 4]], np.int32),
        uv=rng.random((4, 2), np.float32),
        uv_faces=np.array([[0, 1, 2], [1, 2, 3]], np.int32),
    )
    write_vrml(folder / "one.wrl", one, "skin.png")
    text = (folder / "one.wrl").read_text()
    (folder / "two.wrl").write_text(text + text.replace("0.", "7."))
    read = read_mesh(folder / "two.wrl")
    assert len(read.faces) == 4 and len(read.vertices) == 10
    np.testing.assert_allclose(corners(read)[0][:2], corners(one)[0], atol=1e-4)


def test_vrml_clockwise_faces_are_turned(folder):
    text = (
        "#VRML V2.0 utf8\nShape { geometry IndexedFaceSet { ccw FALSE coord Coordinate "
        "{ point [0 0 0 1 0 0 0 1 0] } coordIndex [0 1 2 -1] } }"
    )
    (folder / "cw.wrl").write_text(text)
    assert read_mesh(folder / "cw.wrl").faces.tolist() == [[2, 1, 0]]


def test_missing_texture_is_counted(folder, rng):
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    points, uv = rng.random((4, 3), np.float32), np.zeros((4, 2), np.float32)
    square = Mesh(points, faces, uv=uv, uv_faces=faces)
    (folder / "lost").mkdir(exist_ok=True)
    write_vrml(folder / "lost" / "a.wrl", square, "nowhere.bmp")
    write_obj(folder / "lost" / "a.obj", square, "nowhere.bmp")
    for suffix in ("wrl", "obj"):
        read = read_mesh(folder / "lost" / f"a.{suffix}")
        assert read.images == () and read.repairs == {"texture image missing": 1}


@hypothesis.given(mesh=meshes(), textured=st.booleans(), crlf=st.booleans())
def test_obj(folder, mesh, textured, crlf):
    Image.new("RGB", (2, 2)).save(folder / "skin.png")
    path = folder / "scan.obj"
    write_obj(path, mesh, "skin.png" if textured else None)
    if crlf:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    read = read_mesh(path)
    assert_same(read, mesh, textured)
    assert (read.images == (folder / "skin.png",)) == textured


@hypothesis.given(mesh=meshes(), data=st.data())
def test_obj_as_trimesh_reads_it(folder, mesh, data):
    """Normals, negative indices, polygons, colours, comments, groups."""
    lines = ["# head", "o face", "s 1"]
    for x, y, z in mesh.vertices.tolist():
        lines.append(f"v {x!r} {y!r} {z!r} 0.5 0.25 1.0")
    lines += ["vn 0 0 1", "l 1 2"]
    count = len(mesh.vertices)
    for face in mesh.faces.tolist():
        back = data.draw(st.booleans())
        index = [i - count if back else i + 1 for i in face]
        form = data.draw(st.sampled_from(["%d", "%d//1"]))
        lines.append("f " + " ".join(form % i for i in index) + " ")
    (folder / "form.obj").write_text("\n".join(lines))
    read = read_mesh(folder / "form.obj")
    assert_same(read, mesh, textured=False)
    np.testing.assert_allclose(read.colors, [[0.5, 0.25, 1.0]] * len(read.vertices))
    theirs = trimesh.load_mesh(folder / "form.obj", process=False)
    ours = np.sort(read.vertices[read.faces].reshape(-1, 9), axis=0)
    expected = np.sort(theirs.vertices[theirs.faces].reshape(-1, 9), axis=0)
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-4)


@hypothesis.given(mesh=meshes(), ascii_=st.booleans(), colored=st.booleans())
def test_ply(folder, mesh, ascii_, colored):
    colors = np.full((len(mesh.vertices), 3), 0.2, np.float32) if colored else None
    plain = Mesh(mesh.vertices, mesh.faces, colors=colors)
    write_ply(folder / "scan.ply", plain)
    if ascii_:
        loaded = trimesh.load_mesh(folder / "scan.ply", process=False)
        loaded.export(folder / "scan.ply", encoding="ascii")
    read = read_mesh(folder / "scan.ply")
    np.testing.assert_allclose(
        corners(read)[0], corners(plain)[0], rtol=1e-5, atol=1e-7
    )
    if colored:
        np.testing.assert_allclose(read.colors, 0.2, atol=1e-6)


@hypothesis.given(mesh=meshes(), kind=st.sampled_from(["glb", "gltf"]))
def test_gltf(folder, mesh, kind):
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    path = folder / f"scan.{kind}"
    if kind == "glb":
        solid.export(path)
    else:
        for name, data in trimesh.exchange.gltf.export_gltf(solid.scene()).items():
            (folder / name).write_bytes(data)
        (folder / "model.gltf").rename(path)
    read = read_mesh(path)
    np.testing.assert_allclose(corners(read)[0], corners(mesh)[0], rtol=1e-6)


@hypothesis.given(
    rows=st.integers(2, 7),
    columns=st.integers(2, 7),
    seed=st.integers(0, 2**32 - 1),
    named=st.booleans(),
)
def test_bnt(folder, rows, columns, seed, named):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns].astype(float)
    points = np.stack([x, y, rng.normal(0, 40, x.shape)], -1)
    uv = np.stack([x / columns, y / rows], -1)
    valid = rng.random(x.shape) < 0.9
    Image.new("RGB", (2, 2)).save(folder / "bs000_N_N_0.png")
    path = folder / "bs000_N_N_0.bnt"
    write_bnt(path, points, uv, valid, "bs000_N_N_0.png" if named else "other.png")
    faces = grid_faces(valid)
    assert path.stat().st_size == 18 + (15 if named else 9) + 8 * 5 * rows * columns
    if not len(faces):
        with pytest.raises(MeshError, match=r"empty mesh|none of"):
            read_mesh(path)
        return
    read = read_mesh(path)
    np.testing.assert_allclose(corners(read)[0], points[valid][faces], rtol=1e-6)
    np.testing.assert_allclose(corners(read)[1], uv[valid][faces], atol=1e-6)
    assert read.images == (folder / "bs000_N_N_0.png",)
    a, b, c = read.vertices[read.faces].transpose(1, 0, 2)[..., :2]
    turn = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (turn > 0).all()  # faces the viewer


WORDS = st.text(
    st.characters(codec="latin-1", categories=("L",)), min_size=1, max_size=8
)


@hypothesis.given(
    points=st.lists(st.tuples(NUMBER, NUMBER, NUMBER), min_size=1, max_size=84),
    suffix=st.sampled_from([".bnd", ".bndplus", ".pse", ".lm2", ".lm3"]),
    crlf=st.booleans(),
    data=st.data(),
)
def test_landmarks(folder, points, suffix, crlf, data):
    columns = 2 if suffix == ".lm2" else 3
    array = np.array(points, np.float32)[:, :columns]
    labels: tuple = ()
    if suffix in (".lm2", ".lm3"):
        labels = tuple(data.draw(WORDS) + f" {i}" for i in range(len(points)))
    path = folder / f"scan{suffix}"
    write_landmarks(path, Landmarks(array, labels, np.arange(len(points)) * 7))
    text = path.read_text().encode("latin-1")
    if suffix == ".bnd":
        text += b"84\t\t\n"  # the row without a point that some files end with
    path.write_bytes(text.replace(b"\n", b"\r\n") if crlf else text)
    read = read_landmarks(path)
    np.testing.assert_allclose(read.points, array, rtol=1e-6, atol=6e-4)
    assert read.labels == labels
    if not labels:
        assert read.vertices.tolist() == (np.arange(len(points)) * 7).tolist()


@hypothesis.given(mesh=meshes(), frames=st.integers(1, 5), double=st.booleans())
def test_vertex_sequence(folder, mesh, frames, double):
    array = np.stack([mesh.vertices + i for i in range(frames)])
    np.save(folder / "verts.npy", array.astype(np.float64 if double else np.float32))
    sequence = VertexSequence(folder / "verts.npy", mesh)
    assert len(sequence) == frames
    for i in range(frames):
        got = sequence[i]
        np.testing.assert_allclose(corners(got)[0], array[i][mesh.faces], rtol=1e-5)
        np.testing.assert_array_equal(corners(got)[1], corners(mesh)[1])
    with pytest.raises(IndexError):
        sequence[frames]
    np.save(folder / "verts.npy", array[:, 1:])
    with pytest.raises(MeshError, match=r"verts\.npy.*no sequence"):
        len(VertexSequence(folder / "verts.npy", mesh))


@hypothesis.given(
    st.lists(st.floats(width=64), max_size=20), st.sampled_from(["%r", "%.17g", "%.3e"])
)
def test_numbers_are_parsed_as_python_does(values, spell):
    text = " ".join(spell % v for v in values) + "]"
    data = np.frombuffer(text.encode(), np.uint8)
    out = np.empty(len(data) + 1)
    count, at, how = parse_list(data, 0, len(data), out)
    assert (count, at, how) == (len(values), len(text) - 1, CLOSED)
    expected = np.array([float(spell % v) for v in values])
    expected[np.isinf(expected)] = np.nan
    out[np.isinf(out)] = np.nan  # beyond the largest number
    normal = ~(np.abs(expected) < 1e-300)  # subnormal numbers may lose digits
    np.testing.assert_allclose(out[:count][normal], expected[normal], rtol=2e-15)
    assert (np.abs(out[:count][~normal]) < 1e-300).all()


def test_numbers_that_windows_prints_for_nan(folder):
    points = ",\n".join(f"{i} {i * i} 0" for i in range(60))
    faces = " -1 ".join(f"{i} {i + 1} {i + 2}" for i in range(57))
    text = (
        "#VRML V2.0 utf8\nShape { geometry IndexedFaceSet { coord Coordinate { point ["
        f"{points},\n1.#QNAN0 -1.#IND00 1.#INF00,\n9 9 9 ] }} "
        f"coordIndex [{faces}] }} }}"
    )
    (folder / "nan.wrl").write_text(text)
    read = read_mesh(folder / "nan.wrl")
    assert read.repairs == {"non-finite points removed": 1}
    assert len(read.vertices) == 61 and read.vertices[-1].tolist() == [9, 9, 9]


def test_obj_of_other_exporters(folder):
    Image.new("RGB", (2, 2)).save(folder / "my - skin.png")
    (folder / "o.mtl").write_text("newmtl a\nmap_Kd -s 1 1 1 -clamp on my - skin.png\n")
    corners = "".join(f"v {x} {y} 0 255 0 51\n" for x, y in ((0, 0), (1, 0), (0, 1)))
    text = f"mtllib o.mtl\n{corners}vt 0 0 0\nf 1/1 2/1 3/1 \n"
    (folder / "o.obj").write_bytes(b"\xef\xbb\xbf" + text.encode())
    read = read_mesh(folder / "o.obj")
    assert read.images == (folder / "my - skin.png",)
    np.testing.assert_allclose(read.colors, [[1, 0, 0.2]] * 3)
    (folder / "o.obj").write_text(text.replace("f 1/1", "f 0/1"))
    with pytest.raises(MeshError, match=r"o\.obj: byte .*whole numbers but 0"):
        read_mesh(folder / "o.obj")


def test_empty_texture_indices_are_as_none(folder, rng):
    mesh = Mesh(rng.random((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    write_vrml(folder / "plain.wrl", mesh)
    text = (folder / "plain.wrl").read_text()
    extra = (
        "texCoord TextureCoordinate { point [] } texCoordIndex []\n        coordIndex"
    )
    (folder / "plain.wrl").write_text(text.replace("coordIndex", extra, 1))
    read = read_mesh(folder / "plain.wrl")
    assert read.uv is None and len(read.faces) == 1


def test_bad_gltf_is_named(folder):
    for tree in (
        {"accessors": [{"componentType": 5126, "type": "VEC3", "count": 10**9}]},
        [],
        3,
    ):
        (folder / "bad.gltf").write_text(json.dumps(tree))
        with pytest.raises(MeshError, match=r"bad\.gltf: byte"):
            read_mesh(folder / "bad.gltf")
    (folder / "bad.glb").write_bytes(
        struct.pack("<4sIII4s", b"glTF", 2, 10**9, 9, b"JSON")
    )
    with pytest.raises(
        MeshError, match=r"bad\.glb: byte 20: 1000000000 bytes announced"
    ):
        read_mesh(folder / "bad.glb")
