"""One scan of a generated head, written as each of the licensed datasets has it."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from smile_jax.faces.model import FaceModel
from smile_jax.faces.scanner import Scan, scan_head
from smile_jax.mesh import Framing, Landmarks, Mesh
from smile_jax.mesh.writers import (
    write_bnt,
    write_landmarks,
    write_obj,
    write_ply,
    write_vrml,
)

_FACE_MM = 190.0  # across a cropped face


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
        low, high = self.first.min(axis=0), self.first.max(axis=0)
        x, y, z = (float(c) for c in (low + high) / 2)
        extent = 1.1 * float((high - low)[:2].max())
        return self._scan(Framing((x, y, z), extent), self.points, None)

    def face(self) -> Scan:
        x, y, z = (float(c) for c in self.first[self.model.landmarks].mean(axis=0))
        framing = Framing((x, y, z), _FACE_MM)
        return self._scan(framing, max(self.points // 4, 50), 0.97)

    def _scan(self, framing: Framing, points: int, crop: float | None) -> Scan:
        size = self.texture
        return scan_head(
            self.mesh, framing=framing, points=points, texture_size=size, crop=crop
        )

    def landmarks(self) -> Landmarks:
        """Those that the model has by name, with Bosphorus' labels."""
        order = list(self.model.named.items())
        points = self.mesh.vertices[self.model.landmarks]
        return Landmarks(
            points=points[[place for _, place in order]],
            labels=tuple(label for label, _ in order),
        )

    def eighty_three(self) -> Landmarks:
        """83 points in Binghamton's order: each stands where its group's middle is."""
        found = self.landmarks()
        at = dict(zip(found.labels, found.points, strict=True))
        left = (at["Outer left eye corner"] + at["Inner left eye corner"]) / 2
        right = (at["Outer right eye corner"] + at["Inner right eye corner"]) / 2
        mouth = (at["Left mouth corner"] + at["Right mouth corner"]) / 2
        points = np.concatenate(
            [
                np.repeat([right, left], 8, axis=0),
                np.repeat([right, left], 10, axis=0),  # brows
                np.repeat([at["Nose tip"]], 12, axis=0),
                np.repeat([mouth], 20, axis=0),
                np.repeat([at["Chin middle"]], 15, axis=0),
            ]
        )
        return Landmarks(points=points.astype(np.float32))


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
