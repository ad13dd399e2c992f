"""A small valid file of every format that is read, and how it is read."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import scipy.io
import trimesh
from PIL import Image

from smile_jax.data.examples import Sequence4D, make_example
from smile_jax.data.prompts import BUILT_IN, PromptError, read_prompt_file
from smile_jax.data.record_index import make_index, read_index, write_index
from smile_jax.data.records import DataError
from smile_jax.data.schema import FacesConfig
from smile_jax.mesh import MeshError, VertexSequence, read_landmarks, read_mesh
from smile_jax.mesh.landmark_tracks import count_frames, read_frame
from smile_jax.mesh.landmarks import Landmarks
from smile_jax.mesh.render import read_image
from smile_jax.mesh.surface_of_points import FEWEST
from smile_jax.mesh.types import Mesh
from smile_jax.mesh.writers import (
    write_bnt,
    write_landmarks,
    write_obj,
    write_ply,
    write_vrml,
)
from smile_jax.models.hash_tokenizer import FILE, HashTokenizer
from smile_jax.models.pretrained.hub import PretrainedError
from smile_jax.models.pretrained.weights import read_weights, write_tensors
from tests.mesh.point_files import pcd
from tests.mesh.scenes import rich_scene

_SHARDS = {"x.array_record": 10}


@dataclasses.dataclass(frozen=True)
class Reader:
    """A format.

    Attributes:
      name: of the file that is damaged, in a folder of its own.
      write: writes it, and what it needs beside it, into a folder.
      read: reads it; raises one of `errors`, or what it gives is sound.
      errors: what may be raised; each names the file.
      tokens: regular expression of the places where a text is cut; b"" for binary.
    """

    name: str
    write: Callable[[pathlib.Path], None]
    read: Callable[[pathlib.Path], None]
    errors: tuple[type[Exception], ...] = (MeshError,)
    tokens: bytes = b""


def small_mesh() -> Mesh:
    rng = np.random.default_rng(0)
    faces = np.array([[0, 1, 2], [2, 3, 4], [4, 5, 0], [1, 3, 5]], np.int32)
    return Mesh(
        rng.random((6, 3), np.float32), faces, uv=rng.random((6, 2), np.float32),
        uv_faces=faces,
    )  # fmt: skip


def use_mesh(mesh: Mesh, path: pathlib.Path) -> None:
    """What is read of a file must be sound, and give a picture or a reason."""
    assert np.isfinite(mesh.vertices).all()
    assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
    if mesh.uv is not None:
        assert np.isfinite(mesh.uv).all()
        assert mesh.uv_faces.min() >= 0 and mesh.uv_faces.max() < len(mesh.uv)
    config = FacesConfig(
        name="x",
        size=16,
        yaws_deg=(0.0,),
        channels=("depth", "normals"),
        framing="box",  # for what shows no face
    )
    made = make_example(Sequence4D(str(path), [mesh], {}), config)
    if made.example is None:
        raise MeshError("; ".join(made.skipped))
    pixels = made.example["views"]
    assert (pixels.max(axis=-1) > 0).mean() > 0.01 and pixels[..., 0].std() > 0


def _mesh(path: pathlib.Path) -> None:
    use_mesh(read_mesh(path), path)


def _frames(path: pathlib.Path) -> None:
    for mesh in VertexSequence(path, small_mesh()):
        use_mesh(mesh, path)


def _landmarks(path: pathlib.Path) -> None:
    assert np.isfinite(read_landmarks(path).points).all()


def _write_gltf(folder: pathlib.Path) -> None:
    mesh = small_mesh()
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    for name, data in trimesh.exchange.gltf.export_gltf(solid.scene()).items():
        (folder / ("a.gltf" if name == "model.gltf" else name)).write_bytes(data)


def _write_stl(folder: pathlib.Path) -> None:
    mesh = small_mesh()
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    solid.export(folder / "a.stl")


def _write_text_ply(folder: pathlib.Path) -> None:
    """With an edge, texture coordinates of faces and two images."""
    points = "\n".join("{:g} {:g} {:g}".format(*p) for p in small_mesh().vertices)
    xyz = "".join(f"property float {axis}\n" for axis in "xyz")
    (folder / "a.ply").write_text(
        "ply\nformat ascii 1.0\ncomment TextureFile skin.png\ncomment TextureFile b.png"
        f"\nelement vertex 6\n{xyz}element face 2\n"
        "property list uchar int vertex_indices\nproperty list uchar float texcoord\n"
        "property int texnumber\nelement edge 1\nproperty int vertex1\nend_header\n"
        f"{points}\n3 0 1 2 6 0 0 1 0 1 1 0\n4 2 3 4 5 8 0 0 1 0 1 1 0 1 1\n0\n"
    )


def _write_off(folder: pathlib.Path) -> None:
    mesh = small_mesh()
    trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(folder / "a.off")


def _write_vrml(folder: pathlib.Path) -> None:
    """Two shapes, of which the second is used again somewhere else."""
    write_vrml(folder / "a.wrl", small_mesh(), "skin.png")
    text = (folder / "a.wrl").read_text().replace("Shape {", "DEF S Shape {")
    again = "Transform { rotation 0 0 1 0.5 translation 1 0 0 children [ USE S ] }\n"
    (folder / "a.wrl").write_text(text + again)


def _write_obj(folder: pathlib.Path) -> None:
    """Two materials."""
    write_obj(folder / "a.obj", small_mesh(), "skin.png")
    text = (folder / "a.obj").read_text().replace("usemtl skin", "usemtl eye")
    (folder / "a.obj").write_text(text.replace("f 4", "usemtl skin\nf 4", 1))
    with (folder / "a.obj.mtl").open("a") as file:
        file.write("newmtl eye\nKd 0.1 0.2 0.3\nmap_Kd -s 1 1 1 x/eye.png\n")


def _write_bnt(folder: pathlib.Path) -> None:
    y, x = np.mgrid[:4, :5].astype(float)
    grid = np.stack([x, y, x * y], -1)
    write_bnt(folder / "a.bnt", grid, grid[..., :2] / 5, x + y > 0, "a.png")


def _write_xyz(folder: pathlib.Path) -> None:
    """As many points as a surface is laid through, and a few less are refused."""
    rng = np.random.default_rng(0)
    flat = rng.random((FEWEST + 10, 2)) * 100
    bumps = np.concatenate([flat, np.sin(flat[:, :1] / 20) * 9], axis=1)
    np.savetxt(folder / "a.xyz", bumps, fmt="%.2f")


def _write_pcd(folder: pathlib.Path) -> None:
    """The grid of a sensor, packed."""
    y, x = np.mgrid[:12, :14].astype(float)
    grid = np.stack([x * 8, y * 8, 500 + x * y], -1).reshape(-1, 3)
    pcd(folder / "a.pcd", grid, "binary_compressed", 12)


def _depth(suffix: str, stem: str = "a") -> Reader:
    def write(folder: pathlib.Path) -> None:
        y, x = np.mgrid[:24, :24]
        depth = (500 + x * y / 9).astype(np.uint16)
        camera = '{"fx": 30, "fy": 30, "cx": 11.5, "cy": 11.5, "unit_mm": 1}'
        (folder / f"{stem}.json").write_text(camera)
        if suffix == "png":
            Image.fromarray(depth).save(folder / f"{stem}.png")
        elif suffix == "npy":
            np.save(folder / f"{stem}.npy", depth.astype(np.float32))
        else:
            import OpenEXR

            head = {"compression": OpenEXR.ZIP_COMPRESSION}
            channel = OpenEXR.Channel(depth.astype(np.float32))
            file = OpenEXR.File({**head, "type": OpenEXR.scanlineimage}, {"Z": channel})
            file.write(str(folder / f"{stem}.exr"))

    return Reader(f"{stem}.{suffix}", write, _mesh)


def _read_camera(path: pathlib.Path) -> None:
    _mesh(path.with_suffix(".png"))


def _write_track(folder: pathlib.Path) -> None:
    """Two frames of a recording."""
    stereo = np.zeros((1, 2), dtype=[("pts_3d", object)])
    stereo[0, 0]["pts_3d"] = np.arange(249.0).reshape(83, 3)
    stereo[0, 1]["pts_3d"] = np.ones((83, 3))
    scipy.io.savemat(folder / "a.mat", {"stereo": stereo}, do_compression=True)


def _read_track(path: pathlib.Path) -> None:
    for number in range(1, count_frames(path) + 1):
        assert np.isfinite(read_frame(path, number).points).all()


def _write_bare_rows(folder: pathlib.Path) -> None:
    rows = np.arange(249.0).reshape(83, 3)
    np.savetxt(folder / "a.bndplus", rows, fmt="%g", delimiter=",")


def _points(suffix: str) -> Reader:
    def write(folder: pathlib.Path) -> None:
        points = np.arange(15, dtype=np.float32).reshape(5, 3)
        labels = tuple(f"Point {i}" for i in range(5)) if suffix[0] == "l" else ()
        width = 2 if suffix == "lm2" else 3
        write_landmarks(folder / f"a.{suffix}", Landmarks(points[:, :width], labels))

    return Reader(f"a.{suffix}", write, _landmarks, tokens=rb"\n|\S+")


def _image(suffix: str) -> Reader:
    def write(folder: pathlib.Path) -> None:
        Image.new("RGB", (8, 8), (9, 9, 9)).save(folder / f"a.{suffix}")

    def read(path: pathlib.Path) -> None:
        assert read_image(path).shape[2] == 3

    return Reader(f"a.{suffix}", write, read)


def _write_index(folder: pathlib.Path) -> None:
    rows = [
        {"expression": i, "subject": b"A", "sequence": b"%d" % i, "mm_per_pixel": 1.0}
        for i in range(4)
    ]
    write_index(folder, make_index(rows), _SHARDS)


def _read_tokenizer(path: pathlib.Path) -> None:
    HashTokenizer.load(path.parent)


def _write_weights(folder: pathlib.Path) -> None:
    write_tensors(folder / "model.safetensors", {"a": np.ones((3, 2), np.float32)})


READERS = {
    "wrl": Reader(
        "a.wrl",
        _write_vrml,
        _mesh,
        tokens=rb"[\[\]{}\"\n,]|[A-Za-z]+",
    ),
    "obj": Reader(
        "a.obj",
        _write_obj,
        _mesh,
        tokens=rb"\n|\S+",
    ),
    "mtl": Reader(
        "a.obj.mtl",
        _write_obj,
        lambda path: _mesh(path.with_name("a.obj")),
        tokens=rb"\n|\S+",
    ),
    "bnt": Reader("a.bnt", _write_bnt, _mesh),
    "ply": Reader(
        "a.ply", lambda folder: write_ply(folder / "a.ply", small_mesh()), _mesh
    ),
    "ply_text": Reader("a.ply", _write_text_ply, _mesh, tokens=rb"\n|\S+"),
    "off": Reader("a.off", _write_off, _mesh, tokens=rb"\n|\S+"),
    "xyz": Reader("a.xyz", _write_xyz, _mesh, tokens=rb"\n|\S+"),
    "pcd": Reader("a.pcd", _write_pcd, _mesh),
    "depth_png": _depth("png"),
    "depth_npy": _depth("npy"),
    "depth_exr": _depth("exr"),
    "camera": Reader(
        "camera.json", _depth("png", "camera").write, _read_camera, tokens=rb"[{}:,\"]"
    ),
    "mat": Reader("a.mat", _write_track, _read_track),
    "bare_bndplus": Reader(
        "a.bndplus", _write_bare_rows, _landmarks, tokens=rb"\n|[^\s,]+"
    ),
    "stl": Reader("a.stl", _write_stl, _mesh),
    "glb": Reader("a.glb", lambda f: rich_scene(f / "a.glb") and None, _mesh),
    "gltf": Reader("a.gltf", _write_gltf, _mesh, tokens=rb"[\[\]{}:,\"]"),
    "npy": Reader(
        "a.npy",
        lambda folder: np.save(folder / "a.npy", np.stack([small_mesh().vertices] * 3)),
        _frames,
    ),
    **{suffix: _points(suffix) for suffix in ("lm2", "lm3", "bnd", "bndplus", "pse")},
    **{suffix: _image(suffix) for suffix in ("png", "jpg", "bmp", "tif")},
    "yaml": Reader(
        "a.yaml",
        lambda folder: (folder / "a.yaml").write_bytes(BUILT_IN.read_bytes()),
        lambda path: read_prompt_file(path) and None,
        (PromptError,),
        rb"[\[\]{}:,\n]",
    ),
    "index": Reader(
        "records.npz",
        _write_index,
        lambda path: read_index(path.parent, _SHARDS) and None,
        (DataError,),
    ),
    "tokenizer": Reader(
        FILE,
        lambda folder: HashTokenizer(8, 64).save(folder),
        _read_tokenizer,
        (ValueError,),
        rb"[{}:,\"]",
    ),
    "safetensors": Reader(
        "model.safetensors",
        _write_weights,
        lambda path: read_weights(path.parent) and None,
        (PretrainedError,),
    ),
}
