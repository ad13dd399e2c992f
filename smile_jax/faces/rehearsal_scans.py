"""Writes one scan of a generated head in the format of each licensed dataset."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from smile_jax.faces.families.face_model import FaceModel
from smile_jax.faces.scanner import Scan, scan_head
from smile_jax.mesh import Framing, Landmarks, Mesh
from smile_jax.mesh.landmark_schemes import bosphorus_labels
from smile_jax.mesh.writers import (
    write_bnt,
    write_landmarks,
    write_obj,
    write_ply,
    write_vrml,
)

_FACE_MM = 190.0  # across a cropped face
_BROW_MM = 6.0  # from the upper to the lower edge of a brow


@dataclasses.dataclass(frozen=True)
class Shot:
    """A head in front of the scanner.

    Attributes:
      model: the head's.
      mesh: the head, posed.
      first: (n, 3) its points in the clip's first frame, which fix the picture.
      out: folder of the tree.
      points, texture: of a scan; of its texture, in pixels.
    """

    model: FaceModel
    mesh: Mesh
    first: np.ndarray
    out: pathlib.Path
    points: int
    texture: int

    def head(self) -> Scan:
        """Scans the whole head."""
        low, high = self.first.min(axis=0), self.first.max(axis=0)
        x, y, z = (float(c) for c in (low + high) / 2)
        extent = 1.1 * float((high - low)[:2].max())
        return self._scan(Framing((x, y, z), extent), self.points, None)

    def face(self) -> Scan:
        """Scans the cropped face, with a quarter of the points."""
        x, y, z = (float(c) for c in self.first[self.model.landmarks].mean(axis=0))
        framing = Framing((x, y, z), _FACE_MM)
        return self._scan(framing, max(self.points // 4, 50), 0.97)

    def _scan(self, framing: Framing, points: int, crop: float | None) -> Scan:
        size = self.texture
        return scan_head(
            self.mesh, framing=framing, points=points, texture_size=size, crop=crop
        )

    def landmarks(self) -> Landmarks:
        """Returns the model's landmarks among Bosphorus' 22, with its labels."""
        found = bosphorus_labels(self.mesh.vertices[self.model.landmarks])
        labels = tuple(label.capitalize() for label in found)
        return Landmarks(np.stack(list(found.values())), labels, scheme="bosphorus")

    def eighty_three(self) -> Landmarks:
        """83 points along Binghamton's contours, of the model's 68."""
        p = self.mesh.vertices[self.model.landmarks]

        def between(*shares: tuple[int, int, float]) -> np.ndarray:
            return np.stack([(1 - t) * p[a] + t * p[b] for a, b, t in shares])

        def eye(a: int) -> np.ndarray:
            lids = between((a + 1, a + 2, 0.5), (a + 4, a + 5, 0.5))
            upper, lower = p[a : a + 3], p[a + 3 : a + 6]
            return np.insert(np.concatenate([upper, lower]), (2, 5), lids, axis=0)

        def brow(a: int) -> np.ndarray:
            half = np.float32(0.5) * _BROW_MM * _unit(p[27] - p[8])
            return np.concatenate([p[a : a + 5] + half, p[a : a + 5][::-1] - half])

        side = ((27, 39, 0.4), (28, 31, 0.4), (29, 31, 0.5))
        other = ((29, 35, 0.5), (28, 35, 0.4), (27, 42, 0.4))
        base = [p[31:33], between((32, 33, 0.5)), p[33:36]]
        nose = np.concatenate([between(*side), *base, between(*other)])
        points = np.concatenate(
            [eye(36), eye(42), brow(17), brow(22), nose, p[48:68], p[1:16]]
        )
        return Landmarks(points.astype(np.float32), scheme="binghamton83")


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _save(path: pathlib.Path, scan: Scan) -> None:
    Image.fromarray(scan.texture).save(path, quality=92)


def _beside(path: pathlib.Path, suffix: str) -> pathlib.Path:
    return path.with_name(path.name + suffix)


def _write_f3d(path: pathlib.Path, shot: Shot) -> None:
    scan, texture = shot.face(), _beside(path, "_F3D.bmp")
    _save(texture, scan)
    write_vrml(_beside(path, "_F3D.wrl"), scan.mesh(), texture.name)
    write_landmarks(_beside(path, "_F3D.bnd"), shot.eighty_three())


def _write_raw(path: pathlib.Path, shot: Shot) -> None:
    # The texture of both kinds is F3D's; the raw scan has its own coordinates in it.
    scan, face = shot.head(), shot.face()
    at = scan.points[..., :2] - face.points[0, 0, :2]
    uv = (at / face.spacing + 0.5) / len(face.points)
    scan = dataclasses.replace(scan, uv=np.clip(uv, 0, 1).astype(np.float32))
    write_vrml(_beside(path, "_RAW.wrl"), scan.mesh(), _beside(path, "_F3D.bmp").name)
    write_landmarks(_beside(path, "_RAW.pse"), shot.landmarks())


def _write_wrl(path: pathlib.Path, shot: Shot) -> None:
    scan, texture = shot.head(), _beside(path, ".jpg")
    _save(texture, scan)
    write_vrml(_beside(path, ".wrl"), scan.mesh(), texture.name)
    parts = path.parts
    bnd = shot.out.joinpath("BU4DFE_BND_V1.1", *parts[-3:])
    bnd.parent.mkdir(parents=True, exist_ok=True)
    write_landmarks(_beside(bnd, ".bnd"), shot.eighty_three())


def _write_textured_obj(path: pathlib.Path, shot: Shot) -> None:
    scan, texture = shot.head(), _beside(path, ".jpg")
    _save(texture, scan)
    write_obj(_beside(path, ".obj"), scan.mesh(), texture.name)


def _write_bosphorus(path: pathlib.Path, shot: Shot) -> None:
    scan, texture = shot.head(), _beside(path, ".png")
    _save(texture, scan)
    write_bnt(_beside(path, ".bnt"), scan.points, scan.uv, scan.valid, texture.name)
    marks = shot.landmarks()
    write_landmarks(_beside(path, ".lm3"), marks)
    origin = scan.points[0, 0, :2] - scan.spacing / 2
    across = (marks.points[:, :2] - origin) / (scan.spacing * len(scan.points))
    pixels = np.stack([across[:, 0], 1 - across[:, 1]], 1) * len(scan.texture)
    flat = Landmarks(pixels.astype(np.float32), marks.labels)
    write_landmarks(_beside(path, ".lm2"), flat)


def _write_registered(path: pathlib.Path, shot: Shot) -> None:
    """The model's own points, in metres and without colours, as FLAME's."""
    metres = Mesh(shot.mesh.vertices * np.float32(1e-3), shot.model.faces)
    write_ply(_beside(path, ".ply"), metres)


def _write_colored_ply(path: pathlib.Path, shot: Shot) -> None:
    write_ply(_beside(path, ".ply"), shot.mesh)


WRITERS: dict[str, Callable[[pathlib.Path, Shot], None]] = {
    "f3d": _write_f3d,
    "raw": _write_raw,
    "wrl": _write_wrl,
    "obj": _write_textured_obj,
    "bnt": _write_bosphorus,
    "registered": _write_registered,
    "ply": _write_colored_ply,
}
