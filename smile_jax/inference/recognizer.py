"""A trained model by itself, without its dataset: zero-shot on meshes, in any words."""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from smile_jax.config.build import sampling
from smile_jax.data.anchors import anchors_beside, has_anchors
from smile_jax.data.channels import num_channels
from smile_jax.data.examples import Sequence4D, make_example
from smile_jax.data.frames import cut, seconds_of
from smile_jax.data.mesh_files import MeshFiles
from smile_jax.data.prompts import Prompts
from smile_jax.data.schema import FacesConfig
from smile_jax.data.windows import centres, filled_batches, windows
from smile_jax.inference import export
from smile_jax.inference.prompting import ZeroShot
from smile_jax.inference.timeline import Timeline
from smile_jax.mesh import MeshError
from smile_jax.mesh.displacement import motion_of
from smile_jax.mesh.readers import MESH_SUFFIXES
from smile_jax.mesh.textures import IMAGE_SUFFIXES
from smile_jax.models import Encoder
from smile_jax.models.encoder import PARTS
from smile_jax.models.temporal import timing_of
from smile_jax.objectives import SOURCES
from smile_jax.pytree import flatten
from smile_jax.training.checkpoints import CheckpointError
from smile_jax.training.init import random_shapes
from smile_jax.training.model_spec import ModelSpec, plain_view, read_model
from smile_jax.training.run_info import RunInfo

# A picture is of another kind beyond this factor of the scales that training saw (this
# project's choice): a whole head where it saw faces is 1.3 to 1.6 times as wide.
_OTHER_SCALE = 1.25
_AT_ONCE = 32  # windows of a sequence


@dataclasses.dataclass
class Recognizer:
    """A trained model that takes meshes.

    Attributes:
      spec: its settings, tokenizer and statistics.
      params: averaged parameters, on the host.
      info: what its checkpoint says of the run.
    """

    spec: ModelSpec
    params: dict[str, Any]
    info: RunInfo

    @classmethod
    def of_run(cls, workdir: pathlib.Path) -> "Recognizer":
        """Restores the newest checkpoint.

        Raises:
          CheckpointError: there is none that this version can use.
        """
        stored = read_model(workdir)
        found = cls(stored.spec, stored.averaged, stored.info)
        found.check(workdir)
        return found

    @classmethod
    def load(cls, folder: pathlib.Path) -> "Recognizer":
        """A run, or what `smile_jax.export` wrote."""
        if (folder / export.JSON).is_file():
            found = cls(*export.load_exported(folder))
            found.check(folder)
            return found
        return cls.of_run(folder)

    def check(self, folder: pathlib.Path) -> None:
        """Refuses parameters that are not the model's, or no numbers.

        Raises:
          CheckpointError: naming the first.
        """
        r, c = self.info.rendering, self.info.config
        channels = num_channels(c.data.inputs)
        shape = (r.frames, c.data.views, r.size, r.size, channels)
        expected = flatten(random_shapes(self.model, shape))
        found = flatten(self.params)
        needed = {k: x.shape for k, x in expected.items() if k.split("/")[0] in PARTS}
        wrong = [f"{name} is missing" for name in needed if name not in found]
        wrong += [
            f"{name} is {np.shape(found[name])}, not {shape}"
            for name, shape in needed.items()
            if name in found and np.shape(found[name]) != shape
        ]
        wrong += [
            f"{name} is not finite"
            for name, x in found.items()
            if not np.isfinite(x).all()
        ]
        if wrong:
            raise CheckpointError(
                f"{folder}: its parameters cannot be used: {wrong[0]} (and "
                f"{len(wrong) - 1} more); export or train it again"
            )

    @functools.cached_property
    def model(self) -> Encoder:
        return Encoder(self.spec.model)

    def rendering(self, pose: str) -> FacesConfig:
        """How a mesh becomes what the model has seen."""
        r = self.info.rendering
        return FacesConfig(
            name="predict",
            yaws_deg=r.yaws_deg,
            size=r.size,
            channels=r.channels,
            frames=0 if r.clip == "dynamic" else r.frames,
            dynamic=r.clip == "dynamic",
            motion=r.motion,
            pose=pose,
            framing="face" if r.framing == "landmarks" else r.framing,
        )

    def clip_of(
        self,
        path: pathlib.Path,
        *,
        pose: str = "",
        unit_mm: float = 1.0,
        rate_hz: float = 0.0,
    ) -> dict[str, np.ndarray]:
        """Renders a mesh, or a folder of meshes in order of their names, as a batch of
        a dataset has it: "views" (T, A, H, W, C) and what `smile_jax.data.frames.cut`
        gives beside them.

        Args:
          path: of the mesh or folder.
          pose: see `FacesConfig`; by default as the dataset's heads were turned. What
            training saw turned otherwise is recognised worse.
          unit_mm: millimetres of the files' unit.
          rate_hz: frames a second of a folder; 0: not known.

        Raises:
          MeshError: naming the file and what is wrong.
        """
        r = self.info.rendering
        paths = mesh_paths(path)
        if len(paths) > 1 and r.clip == "views" and r.frames == 1:
            raise MeshError(
                f"{path}: {len(paths)} meshes, and this run saw single scans: name "
                "each of them as a file, or ask for --timeline"
            )
        pose = pose or r.pose
        example = self._example(
            path, paths, self.rendering(pose), unit_mm=unit_mm, rate_hz=rate_hz
        )
        return cut(example, sampling(self.info.config))

    def timeline_of(
        self,
        path: pathlib.Path,
        prompts: Prompts,
        *,
        window_s: float,
        pose: str = "",
        unit_mm: float = 1.0,
        rate_hz: float = 0.0,
    ) -> Timeline:
        """Probabilities around every frame of a folder of meshes.

        Args:
          path, pose, unit_mm, rate_hz: as of `clip_of`.
          prompts: K of them.
          window_s: seconds around a frame that are one clip; frames, where the rate is
            not known.

        Raises:
          MeshError: as `clip_of`; or one mesh alone, or a run on dynamic images that
            were made when they were rendered.
        """
        r = self.info.rendering
        paths = mesh_paths(path)
        if len(paths) < 2 or r.clip == "dynamic":
            raise MeshError(
                f"{path}: no timeline of it: that takes a folder of meshes, and a run "
                f"on frames (data.clip='views'); these are {len(paths)}, and the run's "
                f"clip is {r.clip!r}"
            )
        pose = pose or r.pose
        form = self.rendering(pose)
        form = dataclasses.replace(form, frames=len(paths), motion=True)
        example = self._example(path, paths, form, unit_mm=unit_mm, rate_hz=rate_hz)
        rate = rate_hz or 1.0
        example["rate_hz"] = rate
        places = centres(example["frame_index"], rate, 0.0)
        clips = windows(example, places, sampling(self.info.config), window_s)
        bank = self.bank(prompts)
        return Timeline(
            frames=example["frame_index"][places],
            time_s=seconds_of(example["frame_index"], rate)[places],
            motion_mm=motion_of(example["motion"])[places],
            prompts=prompts.classes,
            probabilities=np.concatenate(
                [
                    self.probabilities(batch, bank)[:real]
                    for batch, real in filled_batches(clips, _AT_ONCE)
                ]
            ),
            seconds=rate_hz > 0,
        )

    def _example(
        self,
        path: pathlib.Path,
        paths: Sequence[pathlib.Path],
        form: FacesConfig,
        *,
        unit_mm: float,
        rate_hz: float,
    ) -> dict[str, Any]:
        """Meshes as a record of a dataset."""
        r, pose = self.info.rendering, form.pose
        if r.framing == "landmarks" and pose == "as_is":
            raise MeshError(
                f"{path}: this run saw heads framed by landmarks, which files do not "
                "have; build its dataset again with this version and train on it"
            )
        if (
            len(paths) > 1
            and not rate_hz
            and "rate_hz" in self.spec.model.temporal.needs
        ):
            raise MeshError(
                f"{path}: this run knows sequences by their seconds: name their rate "
                "with --rate_hz"
            )
        sequence = Sequence4D(
            key=str(path),
            frames=MeshFiles(paths, unit_mm=unit_mm),
            labels={},
            rate_hz=rate_hz,
        )
        if pose == "landmarks" or (pose == "auto" and has_anchors(paths[0])):
            try:
                anchors = anchors_beside(paths[0]).scaled(unit_mm)
            except MeshError as error:
                raise MeshError(
                    f"{error}; this run saw heads turned by landmarks: put such a file "
                    "there, or have landmarks found (--pose=auto), which turn it "
                    "otherwise by some degrees and cost accuracy"
                ) from error
            sequence.anchors = lambda: anchors
        made = make_example(sequence, form)
        if made.example is None or made.skipped:
            raise MeshError("; ".join(made.skipped))
        self._check_extent(path, float(made.example["mm_per_pixel"]))
        return made.example

    def _check_extent(self, path: pathlib.Path, mm_per_pixel: float) -> None:
        """Refuses what is shown at another scale than all that training saw."""
        r = self.info.rendering
        if r.extents_mm is None:
            return
        extent, (low, high) = mm_per_pixel * r.size, r.extents_mm
        if not low / _OTHER_SCALE <= extent <= high * _OTHER_SCALE:
            raise MeshError(
                f"{path}: its picture is {extent:.3g} mm wide, and of {low:.3g} to "
                f"{high:.3g} mm in training: set unit_mm to the millimetres of its "
                "unit, or cut it as the dataset's scans are cut"
            )

    @functools.cached_property
    def _embed(self) -> Callable:
        r = self.info.rendering
        view = plain_view(self.info.config, self.spec, r.yaws_deg, r.channels)

        @jax.jit
        def embed(params, batch):
            clips, ids = view(batch["views"])
            timing = timing_of(batch)
            out: Any = self.model.apply(
                {"params": params}, clips, ids, timing, train=False
            )
            return out.joint

        return embed

    def bank(self, prompts: Prompts) -> np.ndarray:
        """(K, E) prototypes of prompts.

        Raises:
          ValueError: a prompt does not fit the tower, or the run learned without text.
        """
        if not SOURCES[self.info.config.text_source].has_text:
            raise ValueError(
                "this run learned without text (text_source='none'), so words mean "
                "nothing to it; its features serve linear probes and neighbours"
            )
        tokenizer = self.spec.tokenizer
        return ZeroShot(self.model, self.params, tokenizer, prompts).bank[0]

    def probabilities(
        self, batch: Mapping[str, np.ndarray], bank: np.ndarray
    ) -> np.ndarray:
        """(n, K) softmax over a bank's prompts of n clips from `clip_of`, stacked."""
        joint = np.asarray(self._embed(self.params, batch))
        logits = np.exp(self.params["logit_scale"]) * joint @ bank.T
        return np.asarray(jax.nn.softmax(logits, axis=-1))


def mesh_paths(path: pathlib.Path) -> Sequence[pathlib.Path]:
    """The mesh itself, or those of a folder in order of their names and numbers.

    Raises:
      MeshError: a folder without meshes.
    """
    if not path.is_dir():
        return [path]
    found = [p for p in path.iterdir() if p.suffix.lower() in MESH_SUFFIXES]
    if not found:
        raise MeshError(f"{path}: no meshes in it ({', '.join(MESH_SUFFIXES)})")
    found = sorted(found, key=_numbers_as_numbers)
    first = re.split(r"(\d+)", found[0].name)
    for other in found[1:]:
        parts = re.split(r"(\d+)", other.name)
        differing = [
            i for i, (a, b) in enumerate(zip(first, parts, strict=False)) if a != b
        ]
        # Odd places are numbers.
        if len(parts) != len(first) or len(differing) > 1 or differing[0] % 2 == 0:
            raise MeshError(
                f"{path}: {found[0].name} and {other.name} are not frames of one "
                "sequence, whose names differ by one number alone: give each sequence "
                "a folder of its own, or name single scans as files"
            )
    return found


def other_files(path: pathlib.Path) -> list[str]:
    """Names of what lies in a folder of frames and is neither a mesh nor belongs to one
    (textures, materials, buffers, landmarks)."""
    if not path.is_dir():
        return []
    known = {*MESH_SUFFIXES, *IMAGE_SUFFIXES, ".mtl", ".bin", ".lm2", ".lm3", ".bnd"}
    return sorted(p.name for p in path.iterdir() if p.suffix.lower() not in known)


def _numbers_as_numbers(path: pathlib.Path) -> list[tuple[int, str]]:
    """2.obj comes before 10.obj."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(p) if p.isdecimal() else -1, p) for p in parts]
