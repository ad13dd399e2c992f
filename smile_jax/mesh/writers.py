"""Writers of scan formats, for rehearsal trees and tests; `readers` reads them back."""

import pathlib
import struct
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from smile_jax.mesh.landmarks import Landmarks
from smile_jax.mesh.types import Mesh

BNT_BACKGROUND = -1e9

_VRML = """\
#VRML V2.0 utf8
# points in mm
Transform {
  children [
    Shape {
      appearance Appearance {
        material Material { ambientIntensity 0.2 diffuseColor 0.7 0.7 0.7 }
%s      }
      geometry IndexedFaceSet {
        solid FALSE
        coord Coordinate {
          point [
%s
          ]
        }
        coordIndex [
%s
        ]
%s      }
    }
  ]
}
DEF Tricorder_Camera_Front Viewpoint { position 0 0 1000 description "Front" }
"""

_VRML_UV = """\
        texCoord TextureCoordinate {
          point [
%s
          ]
        }
        texCoordIndex [
%s
        ]
"""


def write_vrml(path: pathlib.Path, mesh: Mesh, texture: str | None = None) -> None:
    """Writes a VRML 2.0 scan in Binghamton's manner.

    Args:
      path: the `.wrl` file.
      mesh: vertices, faces and, with a texture, uv and uv_faces.
      texture: the image's name to write; the image itself is not written.
    """
    image, uv = "", ""
    if texture is not None and mesh.uv is not None and mesh.uv_faces is not None:
        image = f'        texture ImageTexture {{ url "{texture}" }}\n'
        uv = _VRML_UV % (_rows("%.6f %.6f,", mesh.uv)[:-1], _polygons(mesh.uv_faces))
    points = _rows("%.4f %.4f %.4f,", mesh.vertices)[:-1]
    path.write_text(_VRML % (image, points, _polygons(mesh.faces), uv))


def write_obj(path: pathlib.Path, mesh: Mesh, texture: str | None = None) -> None:
    """Writes an OBJ and, with a texture, its MTL (`<name>.obj.mtl`) beside it."""
    text = _rows("v %.4f %.4f %.4f", mesh.vertices) + "\n"
    corners = mesh.faces + 1
    if texture is not None and mesh.uv is not None and mesh.uv_faces is not None:
        material = path.with_name(path.name + ".mtl")
        material.write_text(f"newmtl skin\nmap_Kd {texture}\n")
        text = f"mtllib {material.name}\n" + text + _rows("vt %.6f %.6f", mesh.uv)
        both = np.stack([corners, mesh.uv_faces + 1], axis=-1).reshape(-1, 6)
        text += "\nusemtl skin\n" + _rows("f %d/%d %d/%d %d/%d", both)
    else:
        text += _rows("f %d %d %d", corners)
    path.write_text(text + "\n")


def write_bnt(
    path: pathlib.Path,
    points: Float[np.ndarray, "rows columns 3"],
    uv: Float[np.ndarray, "rows columns 2"],
    valid: Bool[np.ndarray, "rows columns"],
    image: str,
) -> None:
    """Writes a Bosphorus grid, row 0 at the bottom.

    Args:
      path: the `.bnt` file.
      points: in mm; what is not valid is written as background.
      uv: u right, v up (the file has v down).
      valid: which points were measured.
      image: name of the texture.
    """
    xyz = np.where(valid[..., None], points, BNT_BACKGROUND)
    planes = np.concatenate([xyz, uv[..., :1], 1 - uv[..., 1:]], axis=-1)
    data = np.moveaxis(planes, -1, 0).astype("<f8")
    name = image.encode("latin-1")
    rows, columns = valid.shape
    path.write_bytes(
        struct.pack("<HHdH", rows, columns, BNT_BACKGROUND, len(name))
        + name
        + struct.pack("<I", data.size)
        + data.tobytes()
    )


def write_ply(path: pathlib.Path, mesh: Mesh) -> None:
    """Writes points, triangles and vertex colours as binary PLY."""
    import trimesh

    colors = None if mesh.colors is None else (mesh.colors * 255).round()
    solid = trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_colors=None if colors is None else colors.astype(np.uint8),
        process=False,
    )
    solid.export(path)


def write_landmarks(path: pathlib.Path, landmarks: Landmarks) -> None:
    """Writes `.bnd`, `.bndplus`, `.pse`, `.lm2` or `.lm3`, by the suffix."""
    points = landmarks.points
    labels: Sequence[str] = landmarks.labels
    if path.suffix == ".lm3":
        lines = ["# 3D Landmark File", "", f"{len(points)} landmarks:"]
        for label, point in zip(labels, points, strict=True):
            lines += [label, "{:.6f} {:.6f} {:.6f}".format(*point)]
    elif path.suffix == ".lm2":
        lines = ["# 2D Landmark File", "", f"{len(points)} landmarks", "", "Labels:"]
        lines += [*labels, "", "2D Image coordinates:"]
        lines += ["{:.3f} {:.3f}".format(*point) for point in points]
    else:
        index = landmarks.vertices
        numbers = np.arange(len(points)) if index is None else index
        lines = [
            "{}\t\t{:.6f} {:.6f} {:.6f}".format(number, *point)
            for number, point in zip(numbers, points, strict=True)
        ]
    path.write_text("\n".join(lines) + "\n")


def _rows(pattern: str, array: np.ndarray) -> str:
    return "\n".join([pattern] * len(array)) % tuple(array.ravel().tolist())


def _polygons(faces: np.ndarray) -> str:
    return _rows("%d, %d, %d, -1,", faces)
