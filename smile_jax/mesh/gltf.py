"""glTF 2.0 scenes, `.glb` and `.gltf`, as one mesh.

Read by us: trimesh leaves out morph weights, sparse accessors, normalised positions and
images, and checks no number against the file's size.
"""

import base64
import binascii
import dataclasses
import functools
import json
import pathlib
import struct
import urllib.parse
from collections.abc import Iterator
from typing import Any

import numpy as np

from smile_jax.mesh.joining import Part, join
from smile_jax.mesh.polygons import fan, unstrip
from smile_jax.mesh.render import as_shown
from smile_jax.mesh.texture_paths import IMAGE_SUFFIXES, FilesBeside
from smile_jax.mesh.types import EmbeddedImage, ImageSource, Material, Mesh, MeshError

_KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_DEEPEST = 32
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_MOST_JOINTS = 4096
_MOST_PARTS, _MOST_NODES = 10_000, 100_000
_AT_ONCE = 50_000  # points that a skin moves
# Extensions that pack points so that this reader does not see them.
_PACKED = {
    "KHR_draco_mesh_compression": "Draco",
    "EXT_meshopt_compression": "meshopt",
    "KHR_meshopt_compression": "meshopt",
}
_IMAGES = (b"\x89PNG\r\n", b"\xff\xd8\xff")  # how PNG and JPEG begin


def read_gltf(path: pathlib.Path, within: pathlib.Path) -> Mesh:
    """Reads the triangles of a scene where its nodes place them.

    Morph targets are added by their weights, skins and nodes applied; each primitive
    has its material's base colour or image.

    Args:
      path: the `.glb` or `.gltf` file.
      within: folder in which buffers and images are looked for.

    Returns:
      The mesh, not yet cleaned; without triangles it is a point cloud. What is not
      read, such as animations, is in `notes`.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    text, at, binary = _chunks(path)
    try:
        tree = json.loads(text.decode("utf-8", "strict"))
        if not isinstance(tree, dict):
            raise TypeError("it is no object")
        file = _File(path, tree, binary, FilesBeside(path, within))
        return file.mesh()
    except MeshError:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
    ) as error:
        raise MeshError(
            f"{path}: byte {at}: bad glTF description ({type(error).__name__}: "
            f"{str(error)[:200]})"
        ) from error
    except RecursionError as error:
        raise MeshError(
            f"{path}: byte {at}: glTF description nested too deep"
        ) from error


def _chunks(path: pathlib.Path) -> tuple[bytes, int, bytes]:
    """Returns the description, the byte where it begins, and the binary chunk."""
    data = path.read_bytes()
    if path.suffix.lower() != ".glb":
        return data, 0, b""
    if len(data) < 20:
        raise MeshError(
            f"{path}: byte {len(data)}: the file ends in its header, truncated"
        )
    magic, version, total, length = struct.unpack_from("<4sIII", data)
    if magic != b"glTF" or version != 2 or data[16:20] != b"JSON":
        raise MeshError(f"{path}: byte 0: not the header of a glTF 2.0 binary file")
    chunk, binary = 12, b""
    while chunk < max(total, len(data)):
        head = data[chunk : chunk + 8]
        start, chunk = chunk + 8, chunk + 8 + int.from_bytes(head[:4], "little")
        if len(head) < 8 or chunk > len(data):
            raise MeshError(
                f"{path}: byte {len(data)}: {max(total, chunk)} bytes announced;"
                " the file is truncated or damaged, copy it again"
            )
        if head[4:] == b"BIN\0" and not binary:
            binary = data[start:chunk]
    return data[20 : 20 + length], 20, binary


@dataclasses.dataclass
class _File:
    """A file's description and bytes."""

    path: pathlib.Path
    tree: dict[str, Any]
    binary: bytes
    files: FilesBeside
    notes: list[str] = dataclasses.field(default_factory=list)
    _buffers: dict[int, bytes] = dataclasses.field(default_factory=dict)
    _images: dict[int, ImageSource | None] = dataclasses.field(default_factory=dict)

    def mesh(self) -> Mesh:
        """The scene as one mesh."""
        self._refuse_packed()
        placed = list(self._placed())
        self._check_size(placed, self.size)
        parts: list[Part] = []
        left_out = 0
        for node, matrix in placed:
            mesh = self.tree["meshes"][node["mesh"]]
            weights = node.get("weights") or mesh.get("weights") or []
            skin = None if "skin" not in node else self._skin(node["skin"])
            for primitive in mesh["primitives"]:
                if primitive.get("mode", _TRIANGLES) not in (0, 4, 5, 6):
                    left_out += 1
                    continue
                parts.append(self._part(primitive, weights, matrix, skin))
        solid = [part for part in parts if len(part.mesh.faces)] or parts
        if not solid:
            raise MeshError(
                f"{self.path}: byte 0: its scene places no triangles; it has "
                f"{len(self.tree.get('meshes', []))} meshes and {len(placed)} nodes "
                "that place some"
            )
        notes = list(dict.fromkeys(self.notes))
        if self.tree.get("animations"):
            notes.append("its animations are not read, it is as at rest")
        if left_out:
            notes.append(f"{left_out} primitives of lines are left out")
        mesh = join(solid)
        images, repairs = mesh.materials, dict(mesh.repairs)
        if mesh.uv is not None:
            images, missing = self.files.with_own_image(mesh.materials)
            repairs |= missing
        return dataclasses.replace(
            mesh,
            materials=images,
            repairs=repairs,
            notes=tuple(notes),
            texture_notes=tuple(dict.fromkeys(self.files.notes)),
        )

    def _refuse_packed(self) -> None:
        used = {
            *self.tree.get("extensionsUsed", []),
            *self.tree.get("extensionsRequired", []),
        }
        for name, what in _PACKED.items():
            if name in used:
                raise MeshError(
                    f"{self.path}: byte 0: compressed by {what} ({name}), which is not "
                    "read: export it without compression"
                )

    @functools.cached_property
    def size(self) -> int:
        """Bytes of the file and of the buffers that it names.

        Raises:
          MeshError: they are not there, or fewer than announced.
        """
        total = self.path.stat().st_size
        for number, buffer in enumerate(self.tree.get("buffers", [])):
            if buffer.get("uri") and not str(buffer["uri"]).startswith("data:"):
                total += len(self._buffer(number))
        return total

    def _buffer(self, number: int) -> bytes:
        if number not in self._buffers:
            buffer = self.tree["buffers"][number]
            content = self._content(buffer.get("uri"), number)
            announced = int(buffer["byteLength"])
            if not 0 <= announced <= len(content):
                raise MeshError(
                    f"{self.path}: byte 0: buffers of {announced} bytes announced, "
                    f"{len(content)} are there; the file is truncated"
                )
            self._buffers[number] = content
        return self._buffers[number]

    def _content(self, uri: Any, number: int) -> bytes:
        if not uri:
            return self.binary if number == 0 else b""
        if str(uri).startswith("data:"):
            return _data_uri(str(uri))
        beside = self.files.find(urllib.parse.unquote(str(uri)))
        if beside is None:
            raise MeshError(
                f"{self.path}: byte 0: its buffer {str(uri)[:100]!r} is missing in "
                f"{self.files.within}; copy it there"
            )
        return beside.read_bytes()

    def _view(self, number: int) -> tuple[memoryview, int]:
        """The bytes of a buffer view, and its stride or 0."""
        view = self.tree["bufferViews"][_index(number)]
        content = self._buffer(_index(view["buffer"]))
        start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
        if start < 0 or length < 1 or start + length > len(content):
            raise ValueError(
                f"a view of {length} bytes from {start} in a buffer of {len(content)}"
            )
        return memoryview(content)[start : start + length], int(
            view.get("byteStride", 0)
        )

    def _packed(
        self, view: int, offset: int, kind: np.dtype, count: int, width: int
    ) -> np.ndarray:
        """(count, width) numbers of a buffer view."""
        content, stride = self._view(view)
        row = kind.itemsize * width
        stride = stride or row
        needed = offset + stride * (count - 1) + row
        if count < 1 or offset < 0 or stride < 1 or needed > len(content):
            raise ValueError(
                f"an accessor of {needed} bytes in a view of {len(content)}"
            )
        raw = np.frombuffer(content, np.uint8)
        rows = np.lib.stride_tricks.as_strided(
            raw[offset:], (count, row), (stride, 1), writeable=False
        )
        return np.ascontiguousarray(rows).view(kind).reshape(count, width)

    def accessor(self, number: int) -> np.ndarray:
        """(count, width) numbers of an accessor, normalised where it says so."""
        one = self.tree["accessors"][_index(number)]
        kind = np.dtype(_KINDS[one["componentType"]])
        width, count = _WIDTHS[one["type"]], int(one["count"])
        if not 0 < count * width <= self.size:
            raise ValueError(f"{count} x {width} numbers in {self.size} bytes")
        if "bufferView" in one:
            offset = int(one.get("byteOffset", 0))
            values = self._packed(one["bufferView"], offset, kind, count, width)
        else:
            values = np.zeros((count, width), kind)
        if "sparse" in one:
            values = values.copy()
            sparse = one["sparse"]
            few, places = int(sparse["count"]), sparse["indices"]
            index = self._packed(
                places["bufferView"], int(places.get("byteOffset", 0)),
                np.dtype(_KINDS[places["componentType"]]), few, 1,
            )[:, 0]  # fmt: skip
            if index.min() < 0 or index.max() >= count:
                raise ValueError(f"a sparse index of {index.max()} of {count}")
            held = sparse["values"]
            values[index] = self._packed(
                held["bufferView"], int(held.get("byteOffset", 0)), kind, few, width
            )
        if one.get("normalized") and kind.kind in "iu":
            # glTF 2.0, 3.6.2.2: the largest is 1, and -1 has two spellings.
            most = np.float32(np.iinfo(kind).max)
            return np.maximum(values.astype(np.float32) / most, np.float32(-1))
        return values

    def _placed(self) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        """Yields the nodes of the scene that place a mesh, with their matrices."""
        nodes = self.tree.get("nodes", [])
        places = self._matrices
        scenes = self.tree.get("scenes", [])
        inside = set(range(len(nodes)))
        if scenes:
            scene = scenes[_index(self.tree.get("scene", 0))]
            inside, waiting = set(), [_index(n) for n in scene.get("nodes", [])]
            while waiting:
                number = waiting.pop()
                if number not in inside:
                    inside.add(number)
                    waiting += [_index(c) for c in nodes[number].get("children", [])]
        for number in sorted(inside):
            if "mesh" in nodes[number]:
                yield nodes[number], places[number]

    @functools.cached_property
    def _matrices(self) -> dict[int, np.ndarray]:
        """(4, 4) of each node in the scene's axes.

        Raises:
          ValueError: nodes are no trees, or nested too deep.
        """
        nodes = self.tree.get("nodes", [])
        children = [_index(c) for node in nodes for c in node.get("children", [])]
        if len(set(children)) < len(children):
            raise ValueError("a node has two parents")
        roots = set(range(len(nodes))) - set(children)
        found = {n: _matrix(nodes[n]) for n in roots}
        level, depth = list(roots), 0
        while level:
            below = []
            for number in level:
                for child in map(_index, nodes[number].get("children", [])):
                    found[child] = found[number] @ _matrix(nodes[child])
                    below.append(child)
            level, depth = below, depth + 1
            if depth > _DEEPEST:
                raise ValueError(f"nodes nested more than {_DEEPEST} deep")
        if len(found) < len(nodes):
            raise ValueError("nodes are their own children")
        return found

    def _check_size(self, placed: list, size: int) -> None:
        """Refuses a scene of more points, or indices, than the file has bytes.

        Each of a thousand nodes may place the same mesh, and accessors without bytes
        may have any length.
        """
        points = indices = parts = 0
        if len(self.tree.get("nodes", [])) > _MOST_NODES:
            raise ValueError(f"more than {_MOST_NODES} nodes")
        for node, _ in placed:
            parts += len(self.tree["meshes"][_index(node["mesh"])]["primitives"])
            if parts > _MOST_PARTS:
                raise ValueError(f"its nodes place more than {_MOST_PARTS} parts")
            for primitive in self.tree["meshes"][_index(node["mesh"])]["primitives"]:
                position = primitive["attributes"]["POSITION"]
                points += int(self.tree["accessors"][_index(position)]["count"])
                if "indices" in primitive:
                    one = self.tree["accessors"][_index(primitive["indices"])]
                    indices += int(one["count"])
        if max(points, indices) > size:
            raise ValueError(
                f"{points} points and {indices} corners are placed by {size} bytes"
            )

    def _part(
        self,
        primitive: dict[str, Any],
        weights: list[Any],
        matrix: np.ndarray,
        skin: np.ndarray | None,
    ) -> Part:
        attributes = primitive["attributes"]
        vertices = self._vectors(attributes["POSITION"], 3).astype(np.float64)
        count = len(vertices)
        for weight, target in zip(weights, primitive.get("targets", []), strict=False):
            if float(weight) and "POSITION" in target:
                moved = self._vectors(target["POSITION"], 3)
                if len(moved) != count:
                    raise ValueError(f"a morph target of {len(moved)} for {count}")
                vertices += float(weight) * moved
        if skin is not None and "JOINTS_0" in attributes:
            vertices = self._skinned(vertices, attributes, skin)
            matrix = np.eye(4)  # glTF 2.0, 3.7.3.3: a skinned node's own is ignored
        mode = primitive.get("mode", _TRIANGLES)
        index = np.arange(count)
        if "indices" in primitive:
            index = self.accessor(primitive["indices"])[:, 0].astype(np.int64)
            if index.min() < 0 or index.max() >= count:
                wrong = index.min() if index.min() < 0 else index.max()
                raise ValueError(f"index {wrong} of {count} points")
        material, texcoord = self._material(primitive.get("material"))
        uv = colors = None
        if f"TEXCOORD_{texcoord.number}" in attributes:
            uv = texcoord.turned(
                self._vectors(attributes[f"TEXCOORD_{texcoord.number}"], 2)
            )
        if "COLOR_0" in attributes:
            painted = _unit(self.accessor(attributes["COLOR_0"]))[:, :3]
            if len(painted) == count:
                colors = np.clip(np.nan_to_num(painted), 0, 1)
        if uv is not None and len(uv) != count:
            raise ValueError(f"{len(uv)} texture coordinates for {count} points")
        faces = _triangles(index, mode).astype(np.int32)
        with np.errstate(over="ignore", invalid="ignore"):
            mesh = Mesh(
                vertices=vertices.astype(np.float32),
                faces=faces,
                uv=uv,
                uv_faces=None if uv is None else faces,
                colors=colors,
            )
        return Part(mesh, material, matrix)

    def _vectors(self, number: int, width: int) -> np.ndarray:
        values = self.accessor(number)
        if values.shape[1] != width:
            raise ValueError(f"vectors of {values.shape[1]}, not {width} numbers")
        values = _unit(values) if width == 2 else values
        return values.astype(np.float32)

    def _skin(self, number: int) -> np.ndarray:
        """(j, 4, 4) of each joint of a skin."""
        skin = self.tree["skins"][_index(number)]
        joints = [_index(joint) for joint in skin["joints"]]
        if len(joints) > _MOST_JOINTS:
            raise ValueError(f"a skin of {len(joints)} joints")
        placed = np.stack([self._matrices[joint] for joint in joints])
        if "inverseBindMatrices" not in skin:
            return placed
        inverse = self.accessor(skin["inverseBindMatrices"]).astype(np.float64)
        return placed @ inverse[: len(joints)].reshape(-1, 4, 4).transpose(0, 2, 1)

    def _skinned(
        self, vertices: np.ndarray, attributes: dict[str, Any], skin: np.ndarray
    ) -> np.ndarray:
        if "JOINTS_1" in attributes:
            self.notes.append("of a skin's joints the first four a point are applied")
        joints = self.accessor(attributes["JOINTS_0"])
        weights = _unit(self.accessor(attributes["WEIGHTS_0"])).astype(np.float64)
        if len(joints) != len(vertices) or joints.shape != weights.shape:
            raise ValueError("joints of a skin for other points")
        if joints.max() >= len(skin):
            raise ValueError(f"joint {joints.max()} of {len(skin)}")
        total = weights.sum(axis=1, keepdims=True)
        weights = np.divide(weights, total, where=total > 0, out=np.zeros_like(weights))
        out = np.zeros_like(vertices)
        for start in range(0, len(vertices), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            for k in range(joints.shape[1]):
                matrices = skin[joints[some, k]]
                moved = np.einsum("nij,nj->ni", matrices[:, :3, :3], vertices[some])
                out[some] += weights[some, k : k + 1] * (moved + matrices[:, :3, 3])
        return out

    def _material(self, number: int | None) -> tuple[Material, "_TexCoord"]:
        if number is None:
            return Material(), _TexCoord()
        one = self.tree["materials"][_index(number)]
        extensions = one.get("extensions", {})
        look = one.get("pbrMetallicRoughness", {})
        factor, texture = look.get("baseColorFactor"), look.get("baseColorTexture")
        older = extensions.get("KHR_materials_pbrSpecularGlossiness")
        if older is not None and texture is None:
            factor = older.get("diffuseFactor", factor)
            texture = older.get("diffuseTexture")
        red, green, blue = (float(x) for x in (factor or (1, 1, 1))[:3])
        tint = (red, green, blue)
        image = None if texture is None else self._image(_index(texture["index"]))
        shown = tuple(as_shown(x) for x in tint)
        return (
            Material(image, shown, tint if image else (1.0, 1.0, 1.0)),  # type: ignore[arg-type]
            _TexCoord.of(texture or {}),
        )

    def _image(self, number: int) -> ImageSource | None:
        """The image of a texture, which is read once."""
        if number not in self._images:
            self._images[number] = self._read_image(number)
        return self._images[number]

    def _read_image(self, number: int) -> ImageSource | None:
        source = self.tree["textures"][number].get("source")
        if source is None:
            self.files.miss("texture image", f"texture {number}, PNG or JPEG")
            self.files.images_missed += 1
            return None
        image = self.tree["images"][_index(source)]
        name, kind = f"{self.path}: image {source}", str(image.get("mimeType", ""))
        uri = image.get("uri")
        if uri and not str(uri).startswith("data:"):
            named = urllib.parse.unquote(str(uri))
            if pathlib.PureWindowsPath(named).suffix.lower() in IMAGE_SUFFIXES:
                return self.files.image([named])
            content, kind = b"", kind or named
        elif uri:
            content = _data_uri(str(uri))
        else:
            content = bytes(self._view(_index(image["bufferView"]))[0])
        if content.startswith(_IMAGES):
            return EmbeddedImage(name, content)
        said = kind[:40] or "of an unknown kind"
        self.files.notes.append(f"its image {source} is {said}, not read")
        self.files.images_missed += 1
        return None


@dataclasses.dataclass(frozen=True)
class _TexCoord:
    """Which texture coordinates an image is over, and how they are turned."""

    number: int = 0
    offset: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    rotation: float = 0.0

    @classmethod
    def of(cls, texture: dict[str, Any]) -> "_TexCoord":
        """As the texture and KHR_texture_transform say."""
        by = texture.get("extensions", {}).get("KHR_texture_transform", {})
        number = by.get("texCoord", texture.get("texCoord", 0))
        x, y = (float(v) for v in by.get("offset", (0, 0)))
        width, height = (float(v) for v in by.get("scale", (1, 1)))
        return cls(int(number), (x, y), (width, height), float(by.get("rotation", 0)))

    def turned(self, uv: np.ndarray) -> np.ndarray:
        """Coordinates with v up, as meshes have them; the file's go down."""
        cos, sin = np.cos(self.rotation), np.sin(self.rotation)
        u, v = (uv * np.asarray(self.scale, np.float32)).T
        u, v = cos * u + sin * v + self.offset[0], cos * v - sin * u + self.offset[1]
        return np.stack([u, 1 - v], axis=1).astype(np.float32)


def _index(value: Any) -> int:
    """A place in a list; negative ones would count from its end."""
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{str(value)[:40]!r} is no index")
    return value


def _unit(values: np.ndarray) -> np.ndarray:
    """Whole numbers as shares of the most that they hold."""
    if values.dtype.kind == "f":
        return values
    return values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)


def _matrix(node: dict[str, Any]) -> np.ndarray:
    """(4, 4) of a node by itself: its matrix, or T R S."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    out = np.eye(4)
    x, y, z, w = (float(value) for value in node.get("rotation", (0, 0, 0, 1)))
    length = np.sqrt(x * x + y * y + z * z + w * w)
    if length > 0:
        x, y, z, w = x / length, y / length, z / length, w / length
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        out[:3, :3] += 2 * w * cross + 2 * cross @ cross
    out[:3, :3] *= np.array(node.get("scale", (1, 1, 1)), np.float64).reshape(3)
    out[:3, 3] = np.array(node.get("translation", (0, 0, 0)), np.float64).reshape(3)
    return out


def _triangles(index: np.ndarray, mode: int) -> np.ndarray:
    """(m, 3) corners of triangles, a strip or a fan; (0, 3) of points."""
    if mode == _TRIANGLES:
        return index[: len(index) // 3 * 3].reshape(-1, 3)
    if mode == _STRIP:
        return unstrip(index)
    if mode == _FAN:
        return index[fan(np.array([len(index)]))[0]]
    return np.empty((0, 3), np.int64)


def _data_uri(uri: str) -> bytes:
    head, _, content = uri.partition(",")
    if not head.endswith(";base64"):
        raise ValueError(f"{head[:40]!r}: data that are not in base64")
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise ValueError(f"data that are no base64 ({error})") from error
