"""Files that were once taken for something else, or cost far more than they hold."""

import io
import json
import lzma
import os
import struct
import tarfile
import time
import tracemalloc

import numpy as np
import pytest
import trimesh
from PIL import Image

from smile_jax.data.prompts import PromptError, read_prompt_file
from smile_jax.faces import load_face_model
from smile_jax.mesh import Mesh, MeshError, VertexSequence, read_landmarks, read_mesh
from smile_jax.mesh.render import read_image
from smile_jax.mesh.writers import write_obj
from tests.mesh.shapes import sphere

_HANGS = 30.0  # seconds of a processor, on the slowest machine
BODY = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 2 3 4\n"


@pytest.mark.parametrize(
    "text, said",
    [
        (BODY.replace("v 1 0 0", "v 0,5 0,5 0,5"), "a point is three numbers"),
        (BODY.replace("v 1 0 0", "v 1 0 0 x"), "a point is three numbers"),
        (BODY.replace("v 1 0 0", "V 1 0 0"), "no OBJ statement"),
        (BODY.replace("v 1 0 0", "vq 1 0 0"), "no OBJ statement"),
    ],
)
def test_obj_lines_that_would_shift_points(tmp_path, text, said):
    (tmp_path / "a.obj").write_text(text)
    with pytest.raises(MeshError, match=rf"a\.obj: byte \d+ \(line 2.*{said}"):
        read_mesh(tmp_path / "a.obj")


def test_every_obj_statement_is_known(tmp_path):
    others = "o x\ng a b\ns off\nvn 0 0 1\nusemtl y\nshadow_obj z\nc_interp on\nvn\n"
    (tmp_path / "a.obj").write_text("# x\n" + others + BODY.replace("0 0 1", "0 0 1 #"))
    assert len(read_mesh(tmp_path / "a.obj").vertices) == 4


VRML = """#VRML V2.0 utf8
Shape {{ geometry IndexedFaceSet {{
coord {coord}
{more}
coordIndex [0 1 2 -1 0 1 3 -1 1 2 3 -1] }} }}
"""
POINTS = "Coordinate { point [0 0 0, 1 0 0, 0 1 0, 0 0 1] }"
COLORS = "color Color { color [1 0 0, 0 1 0, 0 0 1, 1 1 1] }\n"


@pytest.mark.parametrize(
    "coord, more, said",
    [
        (POINTS, COLORS + "colorIndex [0 1 2 -1 0 1 3 -1 1 2 3 -1]", "by colorIndex"),
        (POINTS, COLORS + "colorPerVertex FALSE", "colorPerVertex FALSE are not"),
        ("USE points", "", "USE 'points', which no DEF before it names"),
    ],
)
def test_vrml_that_is_not_understood(tmp_path, coord, more, said):
    (tmp_path / "a.wrl").write_text(VRML.format(coord=coord, more=more))
    with pytest.raises(MeshError, match=rf"a\.wrl: byte \d+: .*{said}"):
        read_mesh(tmp_path / "a.wrl")


def test_vrml_colours_of_points(tmp_path):
    more = COLORS + "colorPerVertex TRUE"
    (tmp_path / "a.wrl").write_text(VRML.format(coord=POINTS, more=more))
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.wrl").colors[0], [1, 0, 0])


def costs(path, read):
    """Reads in 64 bytes a byte and 256 MB, and without hanging; refused or not.

    What takes quadratic time takes minutes here; `tests.attack` measures the time.
    """
    tracemalloc.start()
    started = time.process_time()
    try:
        read(path)
        refused = False
    except MeshError as error:
        assert path.name in str(error) and len(str(error)) < 1000
        refused = True
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - started < _HANGS
    assert peak < 64 * path.stat().st_size + (256 << 20)
    return refused


def test_elements_that_a_ply_does_not_hold(tmp_path):
    head = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\n"
    head += "property float y\nproperty float z\nelement face 1\n"
    head += "property list uchar int vertex_indices\nelement edge 1000000000\n"
    (tmp_path / "a.ply").write_text(head + "end_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    assert costs(tmp_path / "a.ply", read_mesh)


def test_a_small_image_of_many_pixels(tmp_path):
    Image.new("1", (16_000, 16_000)).save(tmp_path / "a.png")
    assert costs(tmp_path / "a.png", read_image)
    eps = io.BytesIO()
    Image.new("RGB", (4, 4)).save(eps, "EPS")
    (tmp_path / "b.png").write_bytes(eps.getvalue())
    assert costs(tmp_path / "b.png", read_image)


def glb(tmp_path, change):
    """A cube as `.glb` with its JSON changed."""
    trimesh.creation.box().export(tmp_path / "a.glb")
    data = (tmp_path / "a.glb").read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    tree = json.loads(data[20 : 20 + length])
    change(tree)
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    head = struct.pack("<4sIII", b"glTF", 2, 20 + len(text) + len(rest), len(text))
    (tmp_path / "a.glb").write_bytes(head + b"JSON" + text + rest)
    return tmp_path / "a.glb"


def test_a_mesh_that_many_nodes_place(tmp_path):
    def many(tree):
        tree["nodes"] = [{"mesh": 0}] * 1000
        tree["scenes"] = [{"nodes": list(range(1000))}]

    def deep(tree):
        tree["nodes"] = [{"children": [i + 1]} for i in range(400)] + [{"mesh": 0}]
        tree["scenes"] = [{"nodes": [0]}]

    def twice(tree):
        tree["nodes"] = [{"children": [1, 1]}, {"mesh": 0}]
        tree["scenes"] = [{"nodes": [0]}]

    read_mesh(glb(tmp_path, lambda tree: None))  # imports trimesh
    for change in (many, deep, twice):
        assert costs(glb(tmp_path, change), read_mesh)


def test_names_and_libraries_again_and_again(tmp_path):
    (tmp_path / "a.mtl").write_text("newmtl x\n" + "map_Kd -s 1 1 1 x.png\n" * 20_000)
    text = "mtllib a.mtl\n" * 20_000 + BODY.replace("f 1 2 3", "vt 0 0\nf 1/1 2/1 3/1")
    (tmp_path / "a.obj").write_text(text)
    assert not costs(tmp_path / "a.obj", read_mesh)
    urls = " ".join(f'"{i}.png"' for i in range(50_000))
    texture = f"texture ImageTexture {{ url [ {urls} ] }}"
    shape = VRML.format(coord=POINTS, more="")
    appearance = f"Appearance {{ {texture} }}\n"
    (tmp_path / "a.wrl").write_text(shape + appearance)
    assert not costs(tmp_path / "a.wrl", read_mesh)
    strings = "#VRML V2.0 utf8\n" + "A {" * 50_000 + 'url "x" ' * 50_000
    (tmp_path / "b.wrl").write_text(strings)
    assert costs(tmp_path / "b.wrl", read_mesh)


def test_archives_that_hold_more_than_such_models(tmp_path):
    path = tmp_path / "ict.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        member = tarfile.TarInfo("FaceXModel/generic_neutral_mesh.obj")
        member.size = 400 << 20

        class Zeros(io.RawIOBase):
            def readable(self):
                return True

            def readinto(self, out):
                out[:] = bytes(len(out))
                return len(out)

        tar.addfile(member, io.BufferedReader(Zeros()))
    assert costs(path, load_face_model)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F" + b"\x00" * 40,
        b"PK\x03\x04" + b"\x00" * 60,
        lzma.compress(b"\x00" * 2000)[:-20],
    ],
)
def test_archives_that_are_damaged(tmp_path, content):
    (tmp_path / "ict.tar.xz").write_bytes(content)
    with pytest.raises(MeshError, match=r"ict\.tar\.xz"):
        load_face_model(tmp_path / "ict.tar.xz")


def test_what_is_no_array_and_no_file(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3, 3)))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(MeshError, match=r"a\.npy"):
        len(VertexSequence(tmp_path / "a.npy", sphere(n=8)))
    for name in ("a.obj", "a.lm3"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(MeshError, match="nothing that can be read"):
            (read_mesh if name == "a.obj" else read_landmarks)(tmp_path / name)
    (tmp_path / "b.obj").symlink_to(tmp_path / "b.obj")
    with pytest.raises(MeshError, match="nothing that can be read"):
        read_mesh(tmp_path / "b.obj")
    os.mkfifo(tmp_path / "c.png")  # beside a mesh of its name
    (tmp_path / "c.obj").write_text(BODY.replace("f 1 2 3", "vt 0 0\nf 1/1 2/1 3/1"))
    assert read_mesh(tmp_path / "c.obj").images == ()
    (tmp_path / "big.lm3").write_text("1 landmarks:\nNose tip\n1e300 0 0\n")
    with pytest.raises(MeshError, match=r"1e.300 is beyond"):
        read_landmarks(tmp_path / "big.lm3")


def test_names_in_utf_8_and_libraries_that_are_missing(tmp_path):
    box = trimesh.creation.box()
    faces = np.asarray(box.faces, np.int32)
    uv = np.full((8, 2), 0.5, np.float32)
    mesh = Mesh(np.asarray(box.vertices, np.float32), faces, uv=uv, uv_faces=faces)
    write_obj(tmp_path / "a.obj", mesh, "häut.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "häut.png")
    assert read_mesh(tmp_path / "a.obj").images == (tmp_path / "häut.png",)
    next(tmp_path.glob("*.mtl")).unlink()
    assert read_mesh(tmp_path / "a.obj").repairs["material library missing"] == 1


@pytest.mark.parametrize(
    "text, said",
    [
        ("classes: {1: [a], b: [c]}\n? [1]\n: 2\n", "unknown keys|odd kinds|not YAML"),
        ("classes: " + "[" * 5000, "not YAML|nested too deep"),
        ("templates: ['{:>3000000000}']\nclasses: {a: [b]}", "must have"),
        (
            "classes: {" + ", ".join(f"c{i}: [d{i}]" for i in range(20_000)) + "}",
            "20000 classes",
        ),
        ("classes: {a: [" + "x" * 2000 + "]}", "at most 1000 letters"),
    ],
)
def test_prompt_files_that_mean_harm(tmp_path, text, said):
    (tmp_path / "words.yaml").write_text(text)
    started = time.process_time()
    with pytest.raises(PromptError, match=rf"words\.yaml.*({said})") as error:
        read_prompt_file(tmp_path / "words.yaml")
    assert time.process_time() - started < _HANGS and len(str(error.value)) < 1000
