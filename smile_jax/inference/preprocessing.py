"""Prepares mesh files as a run's training clips were: turned, rendered, cut."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from smile_jax.config.factories import sampling, views_seen
from smile_jax.data.dataset import spread_views
from smile_jax.data.examples import Sequence4D, make_example
from smile_jax.data.frames import cut
from smile_jax.data.mesh_sequence import MeshFiles
from smile_jax.data.rendering import POSES, RenderConfig
from smile_jax.inference.head_placement import HeadPlacement
from smile_jax.inference.input_files import InputClip
from smile_jax.landmarking.first_look import NoFaceError
from smile_jax.landmarking.head_scan import HeadScan, look_at
from smile_jax.mesh import Mesh, MeshError, read_mesh
from smile_jax.mesh.far_points import moved_to
from smile_jax.training.run_info import RunInfo

# A picture is of another kind beyond this factor of the scales that training saw (this
# project's choice): a whole head where it saw faces is 1.3 to 1.6 times as wide.
_OTHER_SCALE = 1.25


@dataclasses.dataclass(frozen=True)
class ReadingOptions:
    """Settings of how files become pictures.

    Attributes:
      pose: see `HeadPlacement.how`.
      unit_mm: millimetres of the files' unit; 0: by the size of the face.
      rate_hz: frames a second of sequences; 0: not known.
      window_s: seconds around a frame that a timeline's answers see (frames, where the
        rate is not known); 0: that frame.
      timeline: give answers over the frames of sequences. Of a model on single scans,
        which knows nothing else of sequences, it is given anyway.
      keep: what was rendered, in `Prediction.read`.
    """

    pose: str = "auto"
    unit_mm: float = 0.0
    rate_hz: float = 0.0
    window_s: float = 0.0
    timeline: bool = False
    keep: bool = False

    def __post_init__(self) -> None:
        if self.pose not in POSES:
            raise ValueError(f"pose={self.pose!r}: must be one of {', '.join(POSES)}")
        for name in ("unit_mm", "rate_hz", "window_s"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}={value}: must be positive")


@dataclasses.dataclass(frozen=True)
class RenderedClip:
    """A scan or sequence in the form of a batch's clips.

    Attributes:
      batch: "views" (T, A, H, W, C) and what `smile_jax.data.frames.cut` gives beside.
      record: of the schema, that it was cut from.
      placing: how the head was turned.
      notes: lines on what its files name and was not read, and on what they lack.
    """

    batch: dict[str, np.ndarray]
    record: dict[str, Any]
    placing: HeadPlacement
    notes: tuple[str, ...] = ()

    def at(self, frame: int) -> "RenderedClip":
        """Returns one frame of a sequence as a run on single scans sees it."""
        batch = {
            "views": self.record["views"][frame : frame + 1],
            "time_s": np.zeros(1, np.float32),
            "apex": np.zeros((), np.int32),
        }
        return dataclasses.replace(self, batch=batch)


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads mesh files as a run's training did.

    Attributes:
      info: of the run.
      needs: what its model must know of sequences, see `TemporalConfig.needs`.
    """

    info: RunInfo
    needs: tuple[str, ...] = ()

    @property
    def of_single_scans(self) -> bool:
        """True if training saw single scans."""
        r = self.info.rendering
        return r.clip == "views" and r.frames == 1

    @functools.cached_property
    def cameras(self) -> tuple[int, ...]:
        """The rendered views that the model looks at."""
        seen = views_seen(self.info.config)
        return spread_views(self.info.rendering.yaws_deg, seen)

    def rendering(self) -> RenderConfig:
        """Returns the settings by which a mesh becomes what the model has seen."""
        r = self.info.rendering
        return RenderConfig(
            yaws_deg=r.yaws_deg,
            size=r.size,
            channels=r.channels,
            frames=0 if r.clip == "dynamic" else r.frames,
            dynamic=r.clip == "dynamic",
            motion=r.motion,
            still=bool(r.still),
            magnify=r.magnify or 0.0,
            band_hz=r.band_hz or RenderConfig.band_hz,
        )

    def read(
        self, clip: InputClip, reading: ReadingOptions | None = None
    ) -> RenderedClip:
        """Renders a scan, or the frames of a sequence in order.

        Raises:
          MeshError: naming the file and what is wrong.
        """
        reading = reading or ReadingOptions()
        if len(clip.paths) > 1 and self.of_single_scans:
            raise MeshError(
                f"{clip.paths[0].parent}: {len(clip.paths)} meshes, and this run saw "
                "single scans"
            )
        return self.read_as(clip, self.rendering(), reading)

    def read_as(
        self, clip: InputClip, form: RenderConfig, reading: ReadingOptions
    ) -> RenderedClip:
        """Reads a clip in another form than training saw."""
        paths = clip.paths
        r, name = self.info.rendering, str(paths[0])
        if r.framing == "landmarks" and reading.pose == "as_is":
            raise MeshError(
                f"{name}: this run saw heads framed by landmarks, which files do not "
                "have; build its dataset again with this version and train on it"
            )
        if len(paths) > 1 and not reading.rate_hz and "rate_hz" in self.needs:
            raise MeshError(
                f"{name}: this run knows sequences by their seconds: name their rate "
                "with --rate_hz"
            )
        try:
            turn = {r.pose, reading.pose} - {"auto"} != {"as_is"}
            frames = _Frames.of_files(clip, reading.unit_mm, turn=turn)
        except MeshError as error:
            raise MeshError(_once(name, str(error))) from error
        placing = HeadPlacement(
            path=paths[0],
            how=reading.pose,
            trained=r.pose,
            framing="face" if r.framing == "landmarks" else r.framing,
            scan=frames.scan,
        )
        sequence = Sequence4D(
            key=name,
            frames=frames,
            labels={},
            numbers=clip.numbers,
            rate_hz=reading.rate_hz,
            place=placing,
        )
        made = make_example(sequence, form)
        if made.example is None or made.skipped:
            raise MeshError("; ".join(_once(name, text) for text in made.skipped))
        self._check_extent(name, frames.scan, float(made.example["mm_per_pixel"]))
        batch = cut(made.example, sampling(self.info.config))
        notes = [*clip.gaps, *frames.scan.notes, *made.file_notes]
        if self.sees_texture:
            notes += made.texture_notes
            if made.plain:
                notes.append(
                    "it has no texture, which this run sees: it is grey in its place"
                )
        return RenderedClip(batch, made.example, placing, tuple(notes))

    @property
    def sees_texture(self) -> bool:
        """True if the run looks at the colour of faces."""
        return "texture" in self.info.config.data.inputs

    def _check_extent(self, name: str, scan: HeadScan, mm_per_pixel: float) -> None:
        """Refuses what is shown at another scale than all that training saw."""
        r = self.info.rendering
        if r.extents_mm is None:
            return
        extent, (low, high) = mm_per_pixel * r.size, r.extents_mm
        if not low / _OTHER_SCALE <= extent <= high * _OTHER_SCALE:
            if not scan.found:
                raise MeshError(f"{name}: {NoFaceError(scan.face)}")
            raise MeshError(
                f"{name}: its picture is {extent:.3g} mm wide, and of {low:.3g} to "
                f"{high:.3g} mm in training: name the millimetres of its unit with "
                "unit_mm, or cut it as the dataset's scans are cut"
            )


@dataclasses.dataclass(frozen=True)
class _Frames(Sequence[Mesh]):
    """Files of which the first was read to see its head, and is not read again."""

    files: MeshFiles
    first: Mesh
    scan: HeadScan

    @classmethod
    def of_files(cls, clip: InputClip, unit_mm: float, *, turn: bool) -> "_Frames":
        """Opens files of a known unit; 0 takes it from the first one's face."""
        first = read_mesh(clip.paths[0], clip.within)
        scan = look_at(first, unit_mm, clip.head, turn=turn)
        return cls(MeshFiles(clip.paths, within=clip.within), first, scan)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index):
        if index == 0:
            return self.scan.prepared(self.first)
        return self.scan.prepared(moved_to(self.files[index], self.first.origin))


def _once(name: str, text: str) -> str:
    """A message that names its file, once."""
    while text.startswith(f"{name}: {name}"):
        text = text.removeprefix(f"{name}: ")
    return text if text.startswith(name) else f"{name}: {text}"
