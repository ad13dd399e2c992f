"""The page: what is on it, and what happens when something on it changes."""

import dataclasses
import pathlib
import tempfile
from typing import Any

import gradio as gr
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from smile_jax.browser.upload_check import LARGEST_BYTES, check_files
from smile_jax.browser.viewer import SCRIPT, STYLE, TEMPLATE, chosen_frames, scene
from smile_jax.config.factories import knows_words
from smile_jax.data.folder_layout import numbers_as_numbers
from smile_jax.data.lit_views import lit_views
from smile_jax.data.prompts import PromptError
from smile_jax.faces import EXPRESSIONS, Difficulty, load_face_model
from smile_jax.faces.sampling import sample_clip, sample_subject
from smile_jax.inference.input_files import InputClip
from smile_jax.inference.prediction import Prediction
from smile_jax.inference.preprocessing import ReadingOptions
from smile_jax.inference.recognizer import Question, Recognizer
from smile_jax.mesh import MeshError, read_mesh
from smile_jax.mesh.pose import frontalize
from smile_jax.mesh.readers import MESH_SUFFIXES
from smile_jax.mesh.writers import write_ply

_RATE_HZ, _FRAMES = 12.0, 25  # of generated sequences
_MOVE = "(n) => window.dispatchEvent(new CustomEvent('smile-frame', {detail: n}))"


@dataclasses.dataclass
class VisitorState:
    """The clip and the answer that one visitor looks at.

    Attributes:
      answer: with what was rendered.
      question: that it answers.
      clip: its files.
    """

    answer: Prediction
    question: Question
    clip: InputClip

    @property
    def apex(self) -> int:
        """Place of the frame of most motion; 0 of a scan."""
        timeline = self.answer.timeline
        if timeline is None:
            return 0
        return int(timeline.motion_mm.argmax())


class Page:
    """A model, and answers for what is dropped or moved.

    Args:
      model: to try.
      folder: for generated files; it is removed when the page ends.
      heads: whose heads are there to pick from, see `load_face_model`.
    """

    def __init__(self, model: Recognizer, folder: pathlib.Path, heads: str) -> None:
        self.model, self._folder, self._heads = model, folder, heads
        self.yaws = [f"{yaw:g}°" for yaw in model.info.rendering.yaws_deg]
        r = model.info
        texture = "texture" in r.config.data.inputs
        self.lit = r.config.augment.relight and texture

    def examples(self) -> list[str]:
        """Names of generated faces to pick from."""
        kinds = ["scan"] if self.model.reader.info.rendering.clip != "dynamic" else []
        kinds.append("sequence")
        return [f"{name}, {kind}" for kind in kinds for name in EXPRESSIONS]

    def example(self, name: str) -> list[pathlib.Path]:
        """Writes a generated face, once."""
        expression, kind = name.split(", ")
        folder = self._folder / "generated" / name.replace(", ", "_")
        count = _FRAMES if kind == "sequence" else 1
        if not folder.exists():
            face, hard = load_face_model(self._heads), Difficulty(pose_deg=3.0)
            rng = np.random.default_rng(EXPRESSIONS.index(expression) + 7000)
            person = sample_subject(face, rng, hard)
            level = 0 if expression == "neutral" else 4
            clip = sample_clip(face, person, expression, level, rng, hard, count)
            with tempfile.TemporaryDirectory(dir=self._folder) as part:
                for i in range(count):
                    write_ply(pathlib.Path(part) / f"{i:03d}.ply", clip[i])
                folder.parent.mkdir(exist_ok=True)
                pathlib.Path(part).rename(folder)
                pathlib.Path(part).mkdir()  # which is removed
        return sorted(folder.iterdir())

    def analyse(
        self, files: list[str] | None, picked: str | None, words: str
    ) -> VisitorState:
        """Answers for dropped files, or for a generated face that was picked.

        Raises:
          MeshError, ValueError: what cannot be used, in words for the visitor.
        """
        rate = 0.0
        if files:
            paths = [pathlib.Path(file) for file in files]
            paths = [p for p in paths if p.suffix.lower() in MESH_SUFFIXES]
            paths.sort(key=numbers_as_numbers)
            if not paths:
                raise MeshError(f"no mesh among them ({', '.join(MESH_SUFFIXES)})")
            check_files(paths)
        elif picked:
            paths = self.example(picked)
            rate = _RATE_HZ if len(paths) > 1 else 0.0
        else:
            raise MeshError("drop a mesh, or pick a generated face")
        # Above the folder lie the files of other visitors.
        clip = InputClip(paths[0].name, tuple(paths), within=paths[0].parent)
        question = self.ask(words)
        reading = ReadingOptions(rate_hz=rate, timeline=len(paths) > 1, keep=True)
        ((_, answer),) = self.model.answers([clip], question, reading)
        if isinstance(answer, MeshError):
            raise MeshError(str(answer).replace(f"{paths[0].parent}/", ""))
        return VisitorState(answer, question, clip)

    def ask(self, words: str) -> Question:
        """Returns the question for the prompts that the visitor typed, one per line.

        Without prompts it asks for the run's classes, or, of a run that knows no words,
        for its linear probe.
        """
        texts = [line.strip() for line in words.splitlines() if line.strip()]
        if len(texts) == 1:
            raise PromptError("type two prompts or more: there must be a choice")
        if not texts and not knows_words(self.model.info.config):
            return self.model.question(head="probe")
        return self.model.question(texts)

    def look(
        self, shown: VisitorState, views: list[str], angle_deg: float, frame: float
    ) -> Prediction:
        """Answers again for other views, another light or another frame."""
        cameras = [self.yaws.index(view) for view in views]
        at = int(frame) if shown.answer.timeline is not None else -1
        return self.model.again(
            shown.answer, shown.question, cameras=cameras,
            light_from=light(angle_deg), frame=at,
        )  # fmt: skip

    def head(self, shown: VisitorState) -> str:
        """Returns all frames for the viewer, turned as the model saw them."""
        assert shown.answer.read is not None
        placing = shown.answer.read.placing
        chosen = chosen_frames(len(shown.clip.paths)).tolist()
        meshes = []
        for i in chosen:
            path = shown.clip.paths[i]
            mesh = placing.scan.prepared(read_mesh(path, path.parent))
            meshes.append(frontalize(mesh, placing.pose) if placing.pose else mesh)
        return scene(meshes, chosen, shown.apex)

    def views(
        self, shown: VisitorState, answer: Prediction, angle_deg: float, frame: float
    ) -> list[tuple[np.ndarray, str]]:
        """Pictures with their share in the fusion; those taken away have none."""
        assert answer.read is not None
        info = self.model.info
        pixels = answer.read.record[info.rendering.clip]
        pixels = pixels[min(int(frame), len(pixels) - 1)]
        gain = info.config.data.dynamic_gain
        pictures = lit_views(pixels, info.rendering.channels, light(angle_deg), gain)
        share = dict(zip(answer.yaws_deg, answer.view_weights, strict=True))
        found = []
        for yaw, picture in zip(info.rendering.yaws_deg, pictures, strict=True):
            told = f"{share[yaw]:.0%}" if yaw in share else "off"
            found.append((picture, f"{yaw:g}°: {told}"))
        return found

    def verdict(self, answer: Prediction) -> str:
        """Says in Markdown if it is a face, and what else to know."""
        face = "a face" if answer.is_face else "**not a face**"
        off = answer.turned_deg
        turned = f", {off:.0f}° off the front" if off > 0 else ""
        lines = [
            f"It is taken for {face} (landmarks {answer.face_score:.0%} sure); "
            f"{answer.pose}{turned}; 1 unit = {answer.unit_mm:g} mm."
        ]
        lines += [f"⚠ {warning}" for warning in answer.warnings]
        near = [f"{who} ({what or 'no label'})" for who, what in answer.nearest]
        if near:
            lines.append(f"Nearest of the training people: {', '.join(near)}.")
        timeline = answer.timeline
        if timeline is not None:
            phases = timeline.phases(answer.label)
            said = ", ".join(f"{name} {number}" for name, number in phases.items())
            lines.append(f"“{answer.label}” over time, frames: {said}.")
        return "\n\n".join(lines)


def light(angle_deg: float) -> tuple[float, float, float]:
    """A unit vector to a light that was carried around the head; 0 is the camera."""
    angle = np.deg2rad(angle_deg)
    return float(np.sin(angle)), 0.0, float(np.cos(angle))


def curves(answer: Prediction, frame: float) -> Figure | None:
    """Probabilities over the frames; onset, apex, offset; where the slider is."""
    timeline = answer.timeline
    if timeline is None:
        return None
    style: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    with mpl.rc_context(style):
        figure = Figure(figsize=(7, 2.4))
        axis = figure.subplots()
        for k, prompt in enumerate(timeline.prompts):
            label = prompt.replace("$", r"\$")
            axis.plot(timeline.frames, timeline.probabilities[:, k], label=label)
        phases = timeline.phases(answer.label)
        axis.axvspan(phases["onset"], phases["offset"], color="0.93", zorder=0)
        axis.axvline(phases["apex"], color="0.6", linestyle=":")
        axis.axvline(timeline.frames[int(frame)], color="black", linewidth=1)
        axis.set_ylim(0, 1)
        axis.set_xlabel("frame")
        axis.set_ylabel("probability")
        axis.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
        figure.tight_layout()
    return figure


def build_page(page: Page) -> gr.Blocks:
    """Builds the page and connects its controls."""
    learned = "" if page.model.reads_language else ", which are all that it understands"
    with gr.Blocks(title="SMILE-JAX", analytics_enabled=False) as blocks:
        gr.Markdown(
            "# SMILE-JAX\nDrop a face as a mesh, or all meshes of a sequence. It says "
            "how a face looks, not what a person feels."
        )
        shown = gr.State()
        with gr.Row():
            with gr.Column(scale=2):
                files = gr.File(
                    label="mesh or frames", file_count="multiple", elem_id="files",
                    height=160,
                    file_types=[*MESH_SUFFIXES, ".png", ".jpg", ".bmp", ".mtl", ".bin"],
                )  # fmt: skip
                picked = gr.Dropdown(
                    page.examples(), value=None, label="or a generated face",
                    elem_id="picked",
                )  # fmt: skip
                prompts = gr.Textbox(
                    lines=3, label="prompts, a line each", elem_id="prompts",
                    placeholder=f"nothing: the run's own classes{learned}",
                )  # fmt: skip
                go = gr.Button("Look at it", variant="primary", elem_id="go")
                said = gr.Markdown(elem_id="said")
                bars = gr.Label(label="probabilities", elem_id="bars")
            with gr.Column(scale=3):
                head = gr.HTML(
                    "", html_template=TEMPLATE, css_template=STYLE, js_on_load=SCRIPT,
                    elem_id="head",
                )  # fmt: skip
                frame = gr.Slider(
                    0, 1, 0, step=1, label="frame", visible=False, elem_id="frame"
                )
                views = gr.Gallery(
                    label="what the model sees, and each view's share", columns=5,
                    object_fit="contain", height=150, elem_id="views", buttons=[],
                    interactive=False, show_label=False, allow_preview=False,
                )  # fmt: skip
                cameras = page.model.reader.cameras
                seen = gr.CheckboxGroup(
                    page.yaws, value=[page.yaws[c] for c in cameras],
                    label="views that it may see", elem_id="seen",
                )  # fmt: skip
                angle = gr.Slider(
                    -75, 75, 0, step=5, label="light, degrees to the right",
                    visible=page.lit, elem_id="light",
                )  # fmt: skip
                plot = gr.Plot(label="over time", visible=False, elem_id="plot")

        def analysed(given, name, text, chosen, degrees):
            try:
                new = page.analyse(given, name, text)
                last, apex = len(new.clip.paths) - 1, new.apex
                answer = page.look(new, chosen, degrees, apex)
                world = page.head(new)
            except (MeshError, ValueError, OSError) as error:
                return {
                    said: f"**It cannot be used.** {error}", shown: None, bars: None,
                    views: [], head: "", plot: gr.update(visible=False),
                    frame: gr.update(visible=False),
                }  # fmt: skip
            several = last > 0
            return {
                shown: new,
                said: page.verdict(answer),
                bars: dict(answer.probabilities),
                views: page.views(new, answer, degrees, apex),
                head: world,
                frame: gr.update(maximum=max(last, 1), value=apex, visible=several),
                plot: gr.update(value=curves(answer, apex), visible=several),
            }

        def moved(now, chosen, degrees, at):
            if now is None or not chosen:
                return {said: "Pick a view." if now else ""}
            answer = page.look(now, chosen, degrees, at)
            return {
                said: page.verdict(answer),
                bars: dict(answer.probabilities),
                views: page.views(now, answer, degrees, at),
                plot: gr.update(value=curves(answer, at)),
            }

        outputs = [shown, said, bars, views, head, frame, plot]
        given = [files, picked, prompts, seen, angle]
        gr.on([go.click, picked.input, files.upload], analysed, given, outputs)
        state = [shown, seen, angle, frame]
        changed = [said, bars, views, plot]
        moves = [seen.input, angle.input, frame.input]
        # Of a slider that is dragged, the last place counts.
        gr.on(moves, moved, state, changed, trigger_mode="always_last")
        frame.change(None, frame, None, js=_MOVE)
    return blocks


def launch(page: Page, host: str, port: int) -> None:
    """Serves the page until it is interrupted."""
    blocks = build_page(page)
    _, url, _ = blocks.queue(max_size=8).launch(
        server_name=host,
        server_port=port or None,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        max_file_size=LARGEST_BYTES,
        show_error=True,
        ssr_mode=False,
        footer_links=[],
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
    )
    print(f"open {url}  (Ctrl+C ends it)", flush=True)
    blocks.block_thread()
