"""Renders meshes to the schema's stored pixels."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from smile_jax.data.channels import CHANNELS, MOVING
from smile_jax.mesh import Framing, Mesh, MeshError, render_views
from smile_jax.mesh.face_crop import Ball, cut_around, within
from smile_jax.mesh.render import MAX_VIEWS

# A picture with less of it covered, or with less relief over its width, shows no face
# (this project's choice; faces cover half of theirs and are as deep as half of it).
_EMPTY = 0.02
_FLAT = 0.01
# What is shown half way from rest to the brightest: mm, and share of a length.
_HALF_MOVED, _HALF_STRAINED = 2.0, 0.05

POSES = ("as_is", "found", "landmarks", "auto", "surface")
_CHOICES = {
    "pose": POSES,
    "framing": ("crop", "face", "box"),
    "landmarks": ("auto", "delivered", "found"),
    "rest": ("auto", "first", "person"),
}


@dataclasses.dataclass(kw_only=True)
class RenderConfig:
    """Settings of a build: what it renders and keeps.

    Attributes:
      yaws_deg: camera yaws V in degrees.
      size: image height and width in pixels.
      channels: channel groups, see `CHANNELS`.
      frames: T, frames kept of each sequence, spread evenly; 0 keeps none.
      dynamic: also write the rank-pooled image of the whole sequence.
      motion: also measure how far the face has moved in each frame that is kept.
      still: take the head's own motion off, so that only the face moves
        (`smile_jax.mesh.displacement`).
      magnify: a of x_0 + (1 + a)(x_t - x_0), by which motion is magnified in the
        geometry of meshes in correspondence (`smile_jax.mesh.motion_magnification`);
        the head's own is taken off. 0: as it is.
      band_hz: lowest and highest frequency of motion that passes when magnified; where
        the frame rate is not known, all pass.
      pose: "as_is" keeps heads as they are turned; "found" turns them to the front by
        the first look; "landmarks" by landmarks where a sequence has them; "auto" by
        those, else by the first look; "surface" by `smile_jax.mesh.pose`, which needs
        no network, and heads that look at the viewer.
      framing: "crop" finds the face by the first look
        (`smile_jax.landmarking.first_look`) and shows what lies within a ball around
        its nose's tip (`smile_jax.mesh.face_crop`), in whole heads as in cut ones.
        "face" finds it by its surface, needs millimetres, and cuts nothing; "box" shows
        all of the mesh: earlier versions did so. In both, heads that are turned are
        framed by their face.
      captions: also write what the face does, in words and numbers, by landmarks
        (`smile_jax.faces.captions`).
      tempo: captions of sequences also say how fast and how long, where frames have a
        rate and are near enough to each other to tell.
      landmarks: of captions: "delivered" with the scans; "found" by the landmarker
        (`smile_jax.landmarking`); "auto" finds those of people of whom not every
        sequence came with some.
      rest: against what: "first" frame of each sequence, or the median of the
        "person"'s scans (first frames, of sequences); "auto" takes the first frame of
        sequences and the person where sequences are single scans.
    """

    yaws_deg: Sequence[float] = (-30.0, -15.0, 0.0, 15.0, 30.0)
    size: int = 64
    channels: Sequence[str] = ("texture", "depth", "normals")
    frames: int = 1
    dynamic: bool = False
    motion: bool = False
    still: bool = False
    magnify: float = 0.0
    band_hz: Sequence[float] = (0.0, float("inf"))
    pose: str = "as_is"
    framing: str = "crop"
    captions: bool = False
    tempo: bool = False
    landmarks: str = "auto"
    rest: str = "auto"

    def __post_init__(self) -> None:
        if not np.isfinite(self.yaws_deg).all():
            raise ValueError(f"yaws_deg={self.yaws_deg} must be finite")
        unknown = [name for name in self.channels if name not in CHANNELS]
        if unknown or not self.channels:
            raise ValueError(
                f"channels {list(self.channels)} must name some of {list(CHANNELS)}"
            )
        moving = [name for name in MOVING if name in self.channels]
        if moving and self.frames < 2 and not self.dynamic:
            raise ValueError(
                f"channels {moving} with frames={self.frames}: what would move?"
            )
        if self.frames < 1 and not self.dynamic:
            raise ValueError("frames=0 needs dynamic=True, or nothing would be kept")
        if self.motion and self.frames < 2:
            raise ValueError(f"motion=True with frames={self.frames}: what would move?")
        if not 0 <= self.magnify < 1e3:
            raise ValueError(f"magnify={self.magnify} must be 0 or more, below 1000")
        if self.magnify and self.captions:
            raise ValueError(
                f"magnify={self.magnify} with captions=True: captions would be of "
                "motion that nobody made"
            )
        if self.tempo and not self.captions:
            raise ValueError("tempo=True needs captions=True, which would say it")
        if len(self.band_hz) != 2 or not 0 <= self.band_hz[0] < self.band_hz[1]:
            raise ValueError(f"band_hz={self.band_hz} must be two rising frequencies")
        if not 1 <= len(self.yaws_deg) <= MAX_VIEWS or self.size < 1 or self.frames < 0:
            raise ValueError(
                f"yaws_deg={self.yaws_deg} must name 1 to {MAX_VIEWS} views, "
                f"size={self.size} be positive and frames={self.frames} not negative"
            )
        for name, known in _CHOICES.items():
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name}={value!r} must be one of {', '.join(known)}")
        self.channels, self.yaws_deg = tuple(self.channels), tuple(self.yaws_deg)
        self.band_hz = tuple(self.band_hz)


def rendering_of(config: RenderConfig) -> RenderConfig:
    """Returns the settings that `make_example` needs, without subclass and TFDS."""
    names = [field.name for field in dataclasses.fields(RenderConfig)]
    return RenderConfig(**{name: getattr(config, name) for name in names})


def render_example(
    mesh: Mesh,
    config: RenderConfig,
    framing: Framing,
    moving: Mapping[str, np.ndarray] | None = None,
    ball: Ball | None = None,
) -> np.ndarray:
    """Renders one frame in the schema's pixels of 0 to 255, not yet rounded.

    The result is float32 (V, H, W, C).

    Args:
      mesh: turned as it is to be seen.
      config: what is rendered.
      framing: of the pictures.
      moving: "displacement" (n, 3) in mm and "strain" (n,) of the points, where the
        channels have them.
      ball: what is shown; None shows all.
    """
    if ball:
        mesh = cut_around(mesh, ball)
    if "texture" not in config.channels:
        mesh = mesh.without_materials()  # or images would be decoded
    buffers = render_views(mesh, config.yaws_deg, config.size, framing=framing)
    mask = buffers["mask"]
    if ball:
        views = zip(buffers["depth"], config.yaws_deg, strict=True)
        mask = mask & np.stack([within(d, yaw, framing, ball) for d, yaw in views])
    _check_picture(mask, buffers["depth"], framing)
    mask = mask[..., None]
    groups = []
    for name in config.channels:
        if name == "depth":
            level = buffers["depth"][..., None] / framing.extent + 0.5
            group = 1 + 254 * np.clip(level, 0, 1)
        elif name == "normals":
            group = 127.5 + 127 * buffers["normals"]
        elif name in MOVING:
            assert moving is not None
            group = _painted(mesh, moving[name], name, config, framing)
        else:
            group = buffers["texture"]
        groups.append(np.where(mask, group, 0))
    return np.concatenate(groups, axis=-1).astype(np.float32)


def _painted(
    mesh: Mesh, values: np.ndarray, name: str, config: RenderConfig, framing: Framing
) -> np.ndarray:
    """Renders values of the points in place of their colours."""
    half = _HALF_MOVED if name == "displacement" else _HALF_STRAINED
    part = values / (np.abs(values) + half)
    colors = 128 + 127 * np.broadcast_to(part.reshape(len(part), -1), (len(part), 3))
    plain = dataclasses.replace(
        mesh.without_materials(), colors=(colors / 255).astype(np.float32)
    )
    seen = render_views(plain, config.yaws_deg, config.size, framing=framing)
    return seen["texture"][..., : CHANNELS[name]]


def _check_picture(masks: np.ndarray, depths: np.ndarray, framing: Framing) -> None:
    """Refuses pictures in which there is no face to be seen, whatever it was.

    Raises:
      MeshError: what is in the picture.
    """
    for mask, depth in zip(masks, depths, strict=True):
        share = mask.mean()
        if share < _EMPTY:
            raise MeshError(
                f"its picture is empty: {share:.1%} of {framing.extent:.4g} mm are "
                "covered; the mesh is damaged, or unit_mm is not its unit"
            )
        relief = np.ptp(depth[mask]) / framing.extent
        if not relief > _FLAT:
            raise MeshError(
                f"its picture is flat: a relief of {relief:.2g} of its width; the mesh "
                "is damaged, or no face"
            )


def sample_frames(num_frames: int, keep: int) -> np.ndarray:
    """Indices of `keep` frames spread evenly over a sequence; all of a shorter one."""
    return np.unique(np.linspace(0, num_frames - 1, keep).round().astype(np.int32))
