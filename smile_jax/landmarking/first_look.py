"""The first look at a scan: where its faces are, which way they look, and how large.

One small picture of the scan as it is suffices where a face looks at the viewer. Else
it is looked at along all axes, with every side up, and in parts, from coarse to fine.
What looks like a face is turned to the front and looked at again; the second look
decides. Nothing depends on units.
"""

import dataclasses
import functools
import itertools
import math
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from smile_jax.landmarking.face_template import NOSE_TIP, fit_template
from smile_jax.landmarking.network import FIRST_LOOK, Decoder, read_network
from smile_jax.landmarking.rendered_inputs import network_input, take_pictures
from smile_jax.mesh import Framing, Mesh, MeshError, render_views
from smile_jax.mesh.cameras import used_points
from smile_jax.mesh.nose_tip import top_of_nose
from smile_jax.mesh.pose import Pose, degrees_between, pose_at

WEIGHTS = pathlib.Path(__file__).with_name("first_look.safetensors")

AT_THE_FRONT_DEG = 20.0  # heads that are turned less are at the front
FACE = 0.5  # quality below which it is no face
_SURELY = 0.6  # quality with which nobody looks elsewhere
_MISFIT_MM = 10.0  # with which confidence counts half
_CERTAIN = 0.95  # confidence with which a face may be of any shape
_AT_ONCE = 0.85  # confidence in a face that need not be looked at again
_MAYBE = 0.2  # confidence at first sight: whether to look again, from the front
INNER = slice(17, 68)  # without the jaw line, which cropped scans lack
_CLOSE_MM = 200.0  # across a picture of a face, at average size
_STILL_DEG = 8.0  # a turn after which it need not be looked at again
_LOOKS = 4  # at most, to turn a face to the front
_MOST_ZOOM = 24
_ZOOMS = (1, 2, 4)  # how much smaller the parts are that are looked at
_STRIDE = 24  # pixels between parts
_COVERED = 0.15  # of a part, by the scan
_CANDIDATES = 8  # at each zoom, that are looked at again
_BATCH = 24
_NOSES_MM = 15.0  # that noses are from the template's, at most
# Of several faces, at average size: a scan so large has room for more than one; parts
# in which one is looked for; how far two are apart at least; how many parts at most.
_CROWD_MM, _PART_MM, _APART_MM, _CROWD = 420.0, 320.0, 90.0, 40


@dataclasses.dataclass(frozen=True)
class Face:
    """A face that was found.

    Attributes:
      rotation: (3, 3) from the face's axes to the scan's, for column vectors.
      tip: (3,) of its nose, in the scan's unit.
      scale: units of the scan a millimetre of a face of average size.
      sure: mean confidence in its inner landmarks, 0 to 1.
      misfit_mm: median distance of its landmarks from an average face's.
    """

    rotation: Float[np.ndarray, "3 3"]
    tip: Float[np.ndarray, "3"]
    scale: float
    sure: float
    misfit_mm: float

    @property
    def quality(self) -> float:
        """How much it is a face, 0 to 1: confidence, and the shape of one."""
        if self.sure >= _CERTAIN:
            return self.sure
        return self.sure / (1 + (self.misfit_mm / _MISFIT_MM) ** 2)

    @property
    def found(self) -> bool:
        """True if it is a face."""
        return self.quality >= FACE

    @property
    def pose(self) -> Pose:
        """The pose of its head, of scans in mm."""
        return pose_at(self.rotation, self.tip)

    def scaled(self, factor: float) -> "Face":
        """The face in another unit."""
        return dataclasses.replace(
            self, tip=self.tip * factor, scale=self.scale * factor
        )

    @property
    def close(self) -> Framing:
        """A picture of it, as it is looked at from the front."""
        in_mm = pose_at(self.rotation, self.tip / self.scale).framing
        x, y, z = (float(c * self.scale) for c in in_mm.center)
        return Framing((x, y, z), _CLOSE_MM * self.scale)


def find_face(mesh: Mesh, *, turn: bool = True) -> Face | None:
    """Finds the face that is the surest; None where there is none.

    Args:
      mesh: in any unit and any axes, with anything around the head.
      turn: the head is to be turned. Else one look suffices where a face is at the
        front for sure; its place is exact then, and its rotation is not.
    """
    return shipped_first_look()(mesh, turn=turn)


def find_faces(mesh: Mesh, *, turn: bool = True) -> list[Face]:
    """Finds all faces, the surest first.

    Where even that one is not sure, it alone is returned.

    Args:
      mesh: see `find_face`.
      turn: see `find_face`.
    """
    return shipped_first_look().all_of(mesh, turn=turn)


def require_face(mesh: Mesh, *, turn: bool = True) -> Face:
    """Finds a scan's face.

    Args:
      mesh: see `find_face`.
      turn: see `find_face`.

    Raises:
      NoFaceError: it shows none, or it is not sure.
    """
    face = find_face(mesh, turn=turn)
    if face is None or not face.found:
        raise NoFaceError(face)
    return face


class NoFaceError(MeshError):
    """Nothing was found that looks like a face for sure.

    Attributes:
      face: the best guess; None without any.
    """

    def __init__(self, face: Face | None) -> None:
        said = "no face found, from whatever side it is looked at"
        if face is not None:
            x, y, z = face.rotation[:, 2]
            at = ", ".join(f"{c:.4g}" for c in face.tip)
            said = (
                f"no face found: the best guess is {face.quality:.0%} sure, {FACE:.0%} "
                f"are needed (nose at {at}, looking along {x:.2f}, {y:.2f}, {z:.2f})"
            )
        super().__init__(said)
        self.face = face

    @property
    def sure(self) -> float:
        """Confidence in the best guess, 0 to 1."""
        return 0.0 if self.face is None else self.face.quality


@functools.cache
def shipped_first_look() -> "FirstLook":
    """The network of the package, loaded once a process."""
    return FirstLook(read_network(WEIGHTS))


class FirstLook:
    """Finds faces by a network's parameters."""

    def __init__(self, params: Mapping) -> None:
        self._decode = Decoder(FIRST_LOOK, params)

    def __call__(self, mesh: Mesh, *, turn: bool = True) -> Face | None:
        """See `find_face`."""
        face = self._anywhere(mesh, turn)
        if face is None or not face.found:
            return face
        return dataclasses.replace(face, tip=_on_the_nose(mesh, face))

    def _anywhere(self, mesh: Mesh, turn: bool) -> Face | None:
        """The face, the tip of its nose as a landmark."""
        whole, front = _whole(mesh), np.eye(3)
        face = self._seen(mesh, front, whole)
        if face is not None:
            at_the_front = degrees_between(front, face.rotation) <= AT_THE_FRONT_DEG
            if not turn and face.found and face.sure >= _AT_ONCE and at_the_front:
                return face
            face = self._faced(mesh, face.rotation, face.close)
        for zoom in _ZOOMS:
            if face is not None and face.quality >= _SURELY:
                break
            found = [self._faced(mesh, *place) for place in self._places(mesh, zoom)]
            known = [f for f in [*found, face] if f is not None]
            face = max(known, key=lambda f: f.quality, default=None)
        return face

    def _faced(self, mesh: Mesh, rotation: np.ndarray, framing: Framing) -> Face | None:
        """Turns what may be a face to the front, and looks until it stays there.

        The last look decides: None where it sees nothing like a face.
        """
        face = None
        for _ in range(_LOOKS):
            face = self._seen(mesh, rotation, framing)
            if face is None:
                break
            turned = degrees_between(rotation, face.rotation)
            close = framing.extent < 1.2 * face.close.extent
            rotation, framing = face.rotation, face.close
            if turned < _STILL_DEG and close:
                break
        return face

    def _seen(self, mesh: Mesh, rotation: np.ndarray, framing: Framing) -> Face | None:
        """The face in one picture; None where nothing looks like one."""
        center = np.asarray(framing.center)
        vertices = (mesh.vertices - center) @ rotation
        turned = dataclasses.replace(mesh, vertices=vertices.astype(np.float32))
        at_origin = Framing((0.0, 0.0, 0.0), framing.extent)
        pictures = take_pictures(turned, (0.0,), at_origin, FIRST_LOOK.size)
        pixels, sure = self._decode(pictures.images)
        mean = float(sure[0, INNER].mean())
        if mean < _MAYBE:
            return None
        (points,), (square,) = pictures.points_of(pixels)
        fit = fit_template(points, sure[0] * square)
        if fit is None:
            return None
        # On the surface where that is seen; a person's nose is not the template's.
        tip, seen = (
            points[NOSE_TIP],
            np.linalg.norm(points[NOSE_TIP] - fit.tip) / fit.scale,
        )
        if not (sure[0, NOSE_TIP] > FACE and seen < _NOSES_MM):
            tip = fit.tip
        return Face(
            rotation=rotation @ fit.rotation,
            tip=center + rotation @ tip,
            scale=fit.scale,
            sure=mean,
            misfit_mm=fit.misfit_mm,
        )

    def all_of(self, mesh: Mesh, *, turn: bool = True) -> list[Face]:
        """See `find_faces`."""
        first = self(mesh, turn=turn)
        if first is None:
            return []
        whole = _whole(mesh, deep=True)
        # Where there is no room beside a head, nobody looks for another.
        if not first.found or whole.extent < _CROWD_MM * first.scale:
            return [first]
        # People in one scan stand the same way up and are of about one size.
        size = _PART_MM * first.scale
        around = Rotation.from_euler("y", np.c_[0:360:60], degrees=True)
        axes = [first.rotation @ turn for turn in around.as_matrix()]
        zoom = min(max(math.ceil(whole.extent / size), 1), _MOST_ZOOM)
        found = [first]
        for place in self._ranked(_parts(mesh, whole, zoom, axes, sides=1), _CROWD):
            face = self._faced(mesh, *place)
            if face is None or not face.found:
                continue
            face = dataclasses.replace(face, tip=_on_the_nose(mesh, face))
            apart = [np.linalg.norm(face.tip - other.tip) for other in found]
            alike = 0.5 < face.scale / first.scale < 2
            if alike and min(apart) > _APART_MM * first.scale:
                found.append(face)
        # Of those that are as sure, the one that looks at the viewer.
        return sorted(found, key=lambda f: (-round(f.quality, 1), f.pose.turned_deg))

    def _places(self, mesh: Mesh, zoom: int) -> list[tuple[np.ndarray, Framing]]:
        """Turns and framings in which something looks like a face, the surest first."""
        parts = _parts(mesh, _whole(mesh, deep=True), zoom, _directions(), sides=4)
        return self._ranked(parts, _CANDIDATES)

    def _ranked(
        self, parts: Iterator["_Part"], most: int
    ) -> list[tuple[np.ndarray, Framing]]:
        """The parts that look most like a face."""
        listed = list(parts)
        sure = np.zeros(0)
        for start in range(0, len(listed), _BATCH):
            some = [part.image for part in listed[start : start + _BATCH]]
            batch = np.zeros((_BATCH, *some[0].shape), np.float32)
            batch[: len(some)] = some
            means = self._decode(batch)[1][: len(some), INNER].mean(axis=1)
            sure = np.concatenate([sure, means])
        order = np.argsort(-sure, kind="stable")[:most]
        return [
            (listed[i].rotation, listed[i].framing) for i in order if sure[i] >= _MAYBE
        ]


@dataclasses.dataclass(frozen=True)
class _Part:
    """A part of a scan, seen from somewhere.

    Attributes:
      rotation: axes (columns) of the viewer.
      framing: of the part.
      image: input of the network.
    """

    rotation: np.ndarray
    framing: Framing
    image: np.ndarray


def _parts(
    mesh: Mesh, whole: Framing, zoom: int, directions: Sequence[np.ndarray], sides: int
) -> Iterator[_Part]:
    """Pictures of a scan, in parts.

    Args:
      mesh: of any unit.
      whole: what the parts lie in.
      zoom: how much smaller they are.
      directions: axes of viewers.
      sides: how many sides are up in turn, 1 or 4.
    """
    center, side = np.asarray(whole.center), FIRST_LOOK.size
    big = side * zoom
    scale = whole.extent / big
    starts = [*range(0, big - side, _STRIDE), big - side]
    origin = Framing((0.0, 0.0, 0.0), whole.extent)
    bare = dataclasses.replace(mesh.without_materials(), colors=None)
    for axes in directions:
        vertices = ((mesh.vertices - center) @ axes).astype(np.float32)
        turned = dataclasses.replace(bare, vertices=vertices)
        buffers = render_views(turned, (0.0,), big, framing=origin)
        depth, normals, mask = (buffers[k][0] for k in ("depth", "normals", "mask"))
        for _ in range(sides):
            for row, column in itertools.product(starts, starts):
                part = np.s_[row : row + side, column : column + side]
                if mask[part].mean() < _COVERED:
                    continue
                right = (column + side / 2 - big / 2) * scale
                up = (big / 2 - row - side / 2) * scale
                ahead = float(np.median(depth[part][mask[part]]))
                x, y, z = (float(c) for c in center + axes @ [right, up, ahead])
                extent = side * scale
                image = network_input(depth[part], normals[part], mask[part], extent)
                yield _Part(axes, Framing((x, y, z), extent), image)
            # The next side up: a quarter turn counter-clockwise.
            depth, mask = np.rot90(depth), np.rot90(mask)
            x, y, z = np.moveaxis(np.rot90(normals), -1, 0)
            normals = np.stack([-y, x, z], axis=-1)
            axes = np.stack([-axes[:, 1], axes[:, 0], axes[:, 2]], axis=1)


def _on_the_nose(mesh: Mesh, face: Face) -> np.ndarray:
    return top_of_nose(mesh, face.rotation, face.tip, face.scale)


def _directions() -> list[np.ndarray]:
    """Axes (columns) of a viewer on each of the six sides."""
    found = []
    for axis, sign in itertools.product((2, 0, 1), (1.0, -1.0)):
        z = np.zeros(3)
        z[axis] = sign
        y = np.array([0.0, 1.0, 0.0]) if axis != 1 else np.array([0.0, 0.0, 1.0])
        found.append(np.stack([np.cross(y, z), y, z], axis=1))
    return found


def _whole(mesh: Mesh, *, deep: bool = False) -> Framing:
    """Frames the scan; `deep`: from whatever side."""
    points = mesh.vertices[used_points(mesh)]
    # Not shares of the points, which may be dense in eyes and mouth.
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    x, y, z = (float(c) for c in (low + high) / 2)
    size = high - low if deep else (high - low)[:2]
    if not size.max() > 0:
        raise MeshError("the mesh has no extent: all its points coincide")
    return Framing((x, y, z), 1.05 * float(size.max()))
