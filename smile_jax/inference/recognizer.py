"""A trained model by itself, without its dataset: it answers for meshes."""

import dataclasses
import functools
import hashlib
import itertools
import operator
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from scipy.special import softmax

from smile_jax.config.factories import knows_words, sampling
from smile_jax.core.pytree import flatten
from smile_jax.core.workers import run_in_threads
from smile_jax.data.channels import num_channels
from smile_jax.data.frames import seconds_of
from smile_jax.data.prompts import Prompts, make_prompts, plain_prompts
from smile_jax.data.time_windows import filled_batches, stacked, windows
from smile_jax.inference import model_folder
from smile_jax.inference.input_files import InputClip, each_head, find_inputs
from smile_jax.inference.prediction import Prediction, Predictions
from smile_jax.inference.preprocessing import Reader, ReadingOptions, RenderedClip
from smile_jax.inference.prompting import CaptionGrounding, PromptClassifier
from smile_jax.inference.reference_set import ReferenceSet
from smile_jax.inference.timeline import Timeline
from smile_jax.landmarking.landmarker import FACE
from smile_jax.mesh import MeshError
from smile_jax.mesh.displacement import motion_of
from smile_jax.models import Encoder, HashTokenizer
from smile_jax.models.attention_weights import SHOWN, shares_of
from smile_jax.models.encoder import PARTS, Embeddings
from smile_jax.models.temporal import timing_of
from smile_jax.objectives import SOURCES
from smile_jax.training.checkpoints import CheckpointError
from smile_jax.training.initial_state import random_shapes
from smile_jax.training.model_spec import ModelSpec, plain_view, read_model
from smile_jax.training.run_info import RunInfo

HEADS = ("zero_shot", "zero_shot_grounded", "probe")
HEADS_OF_FILES = ("one", "all")
_AT_ONCE = 32  # windows of a sequence
_NEUTRAL = "neutral"  # the class that joins the run's own, where its prompts know it
_NEIGHBOURS = 3
# Mean confidence in landmarks of what is a face whatever the model makes of it; of less
# it decides (this project's choice; faces have 0.87 and more: docs/evaluation.md).
_A_FACE = 0.8


@dataclasses.dataclass(frozen=True)
class Question:
    """The question that is asked about each clip.

    Attributes:
      names: K prompts or classes.
      bank: (G, K, E) prototypes, see `PromptClassifier.bank`; None for a probe.
    """

    names: tuple[str, ...]
    bank: np.ndarray | None


@dataclasses.dataclass
class Recognizer:
    """A trained model that takes meshes.

    Attributes:
      spec: its settings, tokenizer and statistics.
      params: averaged parameters, on the host.
      info: what its checkpoint says of the run.
      known: of its training people, where the run was evaluated.
    """

    spec: ModelSpec
    params: dict[str, Any]
    info: RunInfo
    known: ReferenceSet | None = None

    @classmethod
    def of_run(cls, workdir: pathlib.Path) -> "Recognizer":
        """Restores the newest checkpoint.

        Raises:
          CheckpointError: there is none that this version can use.
        """
        stored = read_model(workdir)
        known = ReferenceSet.load(workdir)
        if known is not None and known.step != stored.step:
            known = None  # of other parameters: the run went on since
        found = cls(stored.spec, stored.averaged, stored.info, known)
        found.check(workdir)
        return found

    @classmethod
    def load(cls, folder: str | pathlib.Path) -> "Recognizer":
        """Loads a run, an export or a model from the hub.

        Raises:
          CheckpointError: there is nothing that this version can use.
        """
        path = pathlib.Path(folder)
        if not path.exists():
            path = model_folder.download(str(folder))
        if (path / model_folder.JSON).is_file():
            found = cls(*model_folder.load_exported(path), ReferenceSet.load(path))
            found.check(path)
            return found
        return cls.of_run(path)

    @property
    def fingerprint(self) -> str:
        """A checksum of its parameters."""
        summed = hashlib.sha256()
        for name, values in sorted(flatten(self.params).items()):
            summed.update(name.encode())
            summed.update(np.ascontiguousarray(values).tobytes())
        return summed.hexdigest()[:16]

    def check(self, folder: pathlib.Path) -> None:
        """Refuses parameters that are not the model's, or no numbers.

        Raises:
          CheckpointError: naming the first.
        """
        r, c = self.info.rendering, self.info.config
        channels = num_channels(c.data.inputs)
        frames = r.frames if r.clip == "views" else 1
        shape = (frames, c.data.views, r.size, r.size, channels)
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
        """The model, without parameters."""
        return Encoder(self.spec.model)

    def predict(
        self,
        inputs: str | pathlib.Path | Sequence[str | pathlib.Path],
        prompts: Sequence[str] = (),
        *,
        head: str = "zero_shot",
        how: str = "auto",
        recursive: bool = False,
        batch_size: int = 32,
        require_face: bool = False,
        heads: str = "one",
        progress: Callable[[int, int], None] | None = None,
        **reading: Any,
    ) -> Prediction | Predictions:
        """Answers for meshes.

        Args:
          inputs: a file or a folder, or a list of files, folders and globs.
          prompts: what to tell apart, in words; () asks for the run's own classes, and
            for a neutral face where it learned what that is.
          head: "zero_shot" by prompts; "zero_shot_grounded" by what they mean in terms
            of captions and clips that the run learned from; "probe", a linear probe on
            labels of its training people, which knows the run's classes alone.
          how: whether folders are "sequence"s, or hold a scan "each", or "auto"; see
            `find_inputs`.
          recursive: also folders in folders.
          batch_size: clips that the model looks at in one go.
          require_face: skip what is taken for no face.
          heads: of a file that shows several: "one" answers for the surest, "all" for
            each of them.
          progress: is told (answered, all) now and then.
          **reading: see `ReadingOptions`.

        Returns:
          One answer for one file or sequence; for a list, or a folder of single scans,
          all of them, with a reason for each file that has none.

        Raises:
          MeshError: the only file cannot be used, or there is none.
          ValueError: the prompts or settings do not fit the run.
        """
        given = [inputs] if isinstance(inputs, (str, pathlib.Path)) else list(inputs)
        question = self.question(prompts, head)
        how_read = ReadingOptions(**reading)
        if heads not in HEADS_OF_FILES:
            raise ValueError(f"heads={heads!r}: must be one or all")
        found = find_inputs(given, how, recursive=recursive)
        if heads == "all":
            found.clips = each_head(found.clips)
        answers: list[Prediction] = []
        skipped: dict[str, str] = {}
        for clip, answer in self.answers(
            found.clips,
            question,
            how_read,
            batch_size=batch_size,
            require_face=require_face,
        ):
            if isinstance(answer, MeshError):
                skipped[clip.name] = str(answer)
            else:
                answers.append(answer)
            if progress:
                progress(len(answers) + len(skipped), len(found.clips))
        if len(found.clips) == 1 and not isinstance(inputs, (list, tuple)):
            if not answers:
                raise MeshError(skipped[found.clips[0].name])
            return answers[0]
        return Predictions(answers, skipped, found.other_files, found.decided)

    def question(
        self, prompts: Sequence[str] = (), head: str = "zero_shot"
    ) -> Question:
        """Checks the arguments of `predict` and returns the question they ask."""
        if head not in HEADS:
            raise ValueError(f"head={head!r}: must be one of {', '.join(HEADS)}")
        if head != "zero_shot" and self.known is None:
            raise ValueError(
                f"head={head!r} takes what `smile-jax evaluate` keeps of the "
                "training people: evaluate the run first"
            )
        if head == "probe":
            if prompts:
                raise ValueError("head='probe' knows the run's classes, not prompts")
            assert self.known is not None
            return Question(self.known.classes, None)
        words = self._words(prompts)
        bank = self.bank(words)
        if head == "zero_shot_grounded":
            assert self.known is not None
            if not len(self.known.captions) or len(bank[0]) < 2:
                raise ValueError(
                    "head='zero_shot_grounded' takes two prompts or more, and a run "
                    "that learned from captions"
                )
            grounds = CaptionGrounding(self.known.captions, self.known.images)
            bank = grounds.meaning(bank[0])[None]
        return Question(words.classes, bank)

    def _words(self, texts: Sequence[str]) -> Prompts:
        if texts:
            if isinstance(texts, str):
                raise ValueError(f"prompts={texts!r}: give a list of them")
            if len(set(texts)) < len(texts):
                raise ValueError(f"prompts: {list(texts)} has one of them twice")
            return plain_prompts(texts)
        c, own = self.info.config, self.info.prompts
        learned = SOURCES[c.text_source].own_texts  # of all clips, neutral ones too
        if not learned or _NEUTRAL in own.classes or c.prompts.view_aware:
            return own
        p = c.prompts
        return make_prompts(
            (*own.classes, _NEUTRAL), file=p.file, style=p.style, phrasings=p.phrasings
        )

    @property
    def reads_language(self) -> bool:
        """True if words that were not in training mean something to its text tower."""
        return not isinstance(self.spec.tokenizer, HashTokenizer)

    def answers(
        self,
        clips: Sequence[InputClip],
        question: Question,
        reading: ReadingOptions,
        *,
        batch_size: int = 32,
        require_face: bool = False,
    ) -> Iterator[tuple[InputClip, "Prediction | MeshError"]]:
        """Yields an answer for each clip in order, or the reason why there is none.

        The next clips are rendered while the model looks at a batch. What is taken for
        no face is none where `require_face` asks for one.
        """
        size = min(batch_size, len(clips))

        def read(
            clip: InputClip,
        ) -> tuple[InputClip, RenderedClip | MeshError, Timeline | None]:
            try:
                return clip, *self._read(clip, question, reading)
            except MeshError as error:
                return clip, error, None

        reads = run_in_threads(read, clips)
        while some := list(itertools.islice(reads, size)):
            batches = [got.batch for _, got, _ in some if isinstance(got, RenderedClip)]
            rows: Iterator = iter(())
            if batches:
                filled = (batches + batches[:1] * size)[:size]  # nothing compiles twice
                rows = _rows(jax.device_get(self.embed(stacked(filled))), size)
            for clip, got, timeline in some:
                if isinstance(got, RenderedClip):
                    answer = self._answer(clip, got, next(rows), question, timeline)
                    if reading.keep:
                        answer = dataclasses.replace(answer, read=got)
                    if require_face and not answer.is_face:
                        yield clip, MeshError(_no_face(answer.face_score))
                    else:
                        yield clip, answer
                else:
                    yield clip, got

    def again(
        self,
        answer: Prediction,
        question: Question,
        *,
        cameras: Sequence[int] = (),
        light_from: Sequence[float] = (0.0, 0.0, 1.0),
        frame: int = -1,
    ) -> Prediction:
        """The answer for the same clip as it was read, seen otherwise.

        Args:
          answer: with `read` kept.
          question: what is asked now.
          cameras: views that it is seen from; () for the run's.
          light_from: unit vector to the light, in the axes of each camera (x right, y
            up, z to the camera); of runs that light the texture.
          frame: of a run on single scans and a sequence, the frame that is seen; -1 for
            that of most motion.
        """
        assert answer.read is not None
        read = answer.read
        if frame >= 0 and self.reader.of_single_scans:
            read = read.at(frame)
        cameras = tuple(cameras) or self.reader.cameras
        seen = self.embed(stacked([read.batch]), cameras, light_from)
        (row,) = _rows(jax.device_get(seen), 1)
        clip = InputClip(answer.name, (pathlib.Path(answer.name),) * answer.frames)
        new = self._answer(clip, read, row, question, answer.timeline, cameras)
        return dataclasses.replace(new, read=answer.read)

    def _read(
        self, clip: InputClip, question: Question, reading: ReadingOptions
    ) -> tuple[RenderedClip, Timeline | None]:
        """A clip as the model sees it, and where asked for its answers over time."""
        several = len(clip.paths) > 1
        if not several or not (reading.timeline or self.reader.of_single_scans):
            return self.reader.read(clip, reading), None
        record, timeline = self.timeline_of(clip, question, reading)
        if self.reader.of_single_scans:
            return record.at(int(timeline.motion_mm.argmax())), timeline
        return self.reader.read(clip, reading), timeline

    def _answer(
        self,
        clip: InputClip,
        read: RenderedClip,
        seen: tuple[Embeddings, dict[str, Any]],
        question: Question,
        timeline: Timeline | None,
        cameras: Sequence[int] = (),
    ) -> Prediction:
        """Returns the answer for a clip, from what the model computed for it."""
        out, shown = seen
        joint, fused = np.asarray(out.joint), np.asarray(out.fused)
        by_camera = np.asarray(out.views)
        scale = float(np.exp(self.params["logit_scale"]))
        cameras = list(cameras or self.reader.cameras)
        p = self.probabilities(out, question)
        by_view = None
        if question.bank is not None:
            banks = [question.bank[1 + c if len(question.bank) > 1 else 0]
                     for c in cameras]  # fmt: skip
            by_view = np.stack(
                [softmax(scale * b @ v) for b, v in zip(banks, by_camera, strict=True)]
            )
        frames = shown["frames"]
        far = None
        nearest: list[list[tuple[str, str]]] = [[]]
        if self.known is not None:
            far = float(self.known.distance(fused[None])[0])
            nearest = self.known.nearest(fused[None], _NEIGHBOURS)
        sure = read.placing.sure
        is_face = sure >= _A_FACE or (sure >= FACE and far is not None and far <= 1)
        warnings = []
        if not is_face:
            warnings.append(_no_face(sure))
        elif far is not None and far > 1:
            warnings.append(
                f"unlike the run's training faces: {far:.1f} times as far from them as "
                "99 % of them are from each other"
            )
        cosines = None
        if question.bank is not None:
            cosines = dict(
                zip(question.names, map(float, question.bank[0] @ joint), strict=True)
            )
            if len(cosines) == 1:
                warnings.append(
                    "one prompt is compared with nothing, so its probability is 1; its "
                    f"cosine with the face is {cosines[question.names[0]]:.3f}"
                )
        warnings += read.notes
        yaws = self.info.rendering.yaws_deg
        return Prediction(
            name=clip.name,
            frames=len(clip.paths),
            label=question.names[int(p.argmax())],
            probabilities=dict(zip(question.names, map(float, p), strict=True)),
            cosines=cosines,
            view_probabilities=by_view,
            embedding=joint,
            feature=fused,
            views=by_camera,
            yaws_deg=tuple(yaws[c] for c in cameras),
            view_weights=shown["views"],
            frame_weights=frames if len(clip.paths) > 1 else None,
            is_face=is_face,
            face_score=sure,
            distance=far,
            nearest=tuple(nearest[0]),
            pose=read.placing.said,
            turned_deg=read.placing.turned_deg,
            unit_mm=read.placing.unit_mm,
            timeline=timeline,
            warnings=tuple(warnings),
        )

    def timeline_of(
        self, clip: InputClip, question: Question, reading: ReadingOptions
    ) -> tuple[RenderedClip, Timeline]:
        """Answers around every frame of a sequence.

        Raises:
          MeshError: as `read`; or one mesh alone, or a run on dynamic images that were
            made when they were rendered.
        """
        r = self.info.rendering
        paths = clip.paths
        if len(paths) < 2 or r.clip == "dynamic":
            raise MeshError(
                f"{clip.name}: no timeline of it: that takes a sequence, and a run on "
                f"frames (data.clip='views'); these are {len(paths)}, and the run's "
                f"clip is {r.clip!r}"
            )
        form = dataclasses.replace(
            self.reader.rendering(), frames=len(paths), motion=True
        )
        read = self.reader.read_as(clip, form, reading)
        record, rate = read.record, reading.rate_hz or 1.0
        record["rate_hz"] = rate
        places = np.arange(len(paths))
        how = sampling(self.info.config)
        clips = windows(record, places, how, reading.window_s)
        parts = [
            self.probabilities(self.embed(batch)[0], question)[:real]
            for batch, real in filled_batches(clips, _AT_ONCE)
        ]
        return read, Timeline(
            frames=record["frame_index"][places],
            time_s=seconds_of(record["frame_index"], rate)[places],
            motion_mm=motion_of(record["motion"])[places],
            prompts=question.names,
            probabilities=np.concatenate(parts),
            seconds=reading.rate_hz > 0,
        )

    def embed(
        self,
        batch: Mapping[str, np.ndarray],
        cameras: Sequence[int] = (),
        light_from: Sequence[float] = (0.0, 0.0, 1.0),
    ) -> tuple[Embeddings, dict]:
        """Embeds n stacked clips on the device.

        Returns:
          Embeddings, and the weights of "views" (n, V) and "frames" (n, T; None
          where there are none).

        Args:
          batch: see `RenderedClip.batch`.
          cameras: see `again`.
          light_from: see `again`.
        """
        chosen = tuple(cameras) or self.reader.cameras
        light = np.asarray(light_from, np.float32)
        return self._embed(self.params, dict(batch), light, chosen)

    @functools.cached_property
    def _embed(self) -> Callable:
        r = self.info.rendering
        view = plain_view(self.info.config, self.spec, r.yaws_deg, r.channels)

        @functools.partial(jax.jit, static_argnums=3)
        def embed(params, batch, light, cameras):
            clips, ids = view(batch["views"], view_ids=cameras, light_from=light)
            timing = timing_of(batch)
            out, shown = self.model.apply(
                {"params": params}, clips, ids, timing, train=False, mutable=[SHOWN]
            )
            return out, shares_of(shown)

        return embed

    @functools.cached_property
    def reader(self) -> Reader:
        """The reader of mesh files."""
        return Reader(self.info, self.spec.model.temporal.needs)

    def bank(self, prompts: Prompts) -> np.ndarray:
        """(G, K, E) prototypes of prompts, see `PromptClassifier.bank`.

        Raises:
          ValueError: a prompt does not fit the tower, or words mean nothing to the run.
        """
        config = self.info.config
        if not knows_words(config):
            raise ValueError(
                "this run did not learn to compare faces with words (text_source="
                f"{config.text_source!r}, objective.name={config.objective.name!r}), "
                "so these mean nothing to it; ask its linear probe (head='probe')"
            )
        tokenizer = self.spec.tokenizer
        return PromptClassifier(self.model, self.params, tokenizer, prompts).bank

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """(n, E) unit-norm embeddings of texts, in the space of `Prediction.embedding`.

        Raises:
          ValueError: as `bank`.
        """
        return self.bank(plain_prompts(texts))[0]

    def probabilities(self, out: Embeddings, question: Question) -> np.ndarray:
        """(..., K) of clips that were embedded."""
        if question.bank is None:
            assert self.known is not None
            return softmax(out.fused @ self.known.probe + self.known.bias, axis=-1)
        scale = np.exp(self.params["logit_scale"])
        return softmax(scale * np.asarray(out.joint) @ question.bank[0].T, axis=-1)


def _no_face(sure: float) -> str:
    return f"taken for no face: landmarks of one are {sure:.0%} sure"


def _rows(tree: Any, count: int) -> Iterator[Any]:
    """Yields each row of a tree of arrays, as a tree."""
    for i in range(count):
        yield jax.tree.map(operator.itemgetter(i), tree)
