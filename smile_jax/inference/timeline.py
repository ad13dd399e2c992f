"""Answers over the time of a sequence: a curve for each prompt, onset, apex, offset."""

import csv
import dataclasses
import pathlib

import numpy as np
from jaxtyping import Float, Int

from smile_jax.core.extras import needed_for

_EDGE = 0.2  # share of a curve's rise at which it begins and has ended


@dataclasses.dataclass(frozen=True)
class Timeline:
    """Answers over the time of one sequence, at the middles of windows.

    Attributes:
      frames: (w,) numbers of the frames.
      time_s: (w,) seconds since the first frame; frames where the rate is not known.
      motion_mm: (w,) how far the face has moved since the first frame.
      prompts: K names.
      probabilities: (w, K), rows sum to 1.
      seconds: whether `time_s` is in seconds.
    """

    frames: Int[np.ndarray, "w"]
    time_s: Float[np.ndarray, "w"]
    motion_mm: Float[np.ndarray, "w"]
    prompts: tuple[str, ...]
    probabilities: Float[np.ndarray, "w K"]
    seconds: bool

    def phases(self, prompt: str) -> dict[str, int]:
        """Returns the frames of a prompt's "onset", "apex" and "offset".

        There its curve begins to rise, is highest, and has fallen.
        """
        curve = self.probabilities[:, self.prompts.index(prompt)]
        places = phases_of(curve)
        return {
            name: int(self.frames[place])
            for name, place in zip(("onset", "apex", "offset"), places, strict=True)
        }


def phases_of(curve: Float[np.ndarray, "t"]) -> tuple[int, int, int]:
    """Returns the places at which a curve begins, is highest, and has ended.

    That is where it last was below a fifth of its rise before its peak, and first is
    again after it.
    """
    apex = int(curve.argmax())
    low = curve.min() + _EDGE * (curve[apex] - curve.min())
    before = np.flatnonzero(curve[:apex] < low)
    after = np.flatnonzero(curve[apex:] < low)
    onset = int(before[-1]) + 1 if len(before) else 0
    offset = apex + int(after[0]) - 1 if len(after) else len(curve) - 1
    return onset, apex, max(offset, apex)


PLOTS = (".png", ".pdf", ".svg", ".jpg")


def write_csv(found: dict[str, Timeline], path: pathlib.Path) -> None:
    """A row for each window of each file."""
    prompts = list(dict.fromkeys(p for t in found.values() for p in t.prompts))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "frame", "time_s", "motion_mm", *prompts])
        for name, timeline in found.items():
            columns = (timeline.frames, timeline.time_s, timeline.motion_mm)
            rows = zip(*columns, timeline.probabilities, strict=True)
            for frame, time_s, motion, probabilities in rows:
                seconds = f"{time_s:.4f}" if timeline.seconds else ""
                shares = [f"{p:.4f}" for p in probabilities]
                writer.writerow([name, frame, seconds, f"{motion:.3f}", *shares])


def plot(found: dict[str, Timeline], path: pathlib.Path) -> None:
    """Draws the curves of each file over its motion, with the apex marked."""
    with needed_for("a plot"):  # imported where something is drawn: it takes seconds
        import matplotlib as mpl
        from matplotlib.figure import Figure

    with mpl.rc_context(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(figsize=(9, 2.6 * len(found)))
        axes = figure.subplots(len(found), 1, squeeze=False)[:, 0]
        for axis, (name, timeline) in zip(axes, found.items(), strict=True):
            for k, prompt in enumerate(timeline.prompts):
                axis.plot(
                    timeline.time_s, timeline.probabilities[:, k],
                    label=prompt.replace("$", r"\$"),
                )  # fmt: skip
            best = timeline.prompts[timeline.probabilities.max(axis=0).argmax()]
            phases = timeline.phases(best)
            where = dict(zip(timeline.frames.tolist(), timeline.time_s, strict=True))
            axis.axvspan(
                where[phases["onset"]], where[phases["offset"]], color="0.93", zorder=0
            )
            axis.axvline(where[phases["apex"]], color="0.6", linestyle=":")
            axis.set_ylim(0, 1)
            axis.set_ylabel("probability")
            axis.set_title(name.replace("$", r"\$"), loc="left")
            moved = axis.twinx()
            moved.fill_between(
                timeline.time_s, timeline.motion_mm, color="0.85", zorder=-1
            )
            moved.set_ylabel("motion, mm", color="0.5")
            axis.set_zorder(1)
            axis.patch.set_visible(False)
            axis.legend(frameon=False, fontsize=7, loc="upper right")
        axes[-1].set_xlabel(
            "seconds" if all(t.seconds for t in found.values()) else "frame"
        )
        figure.tight_layout()
        figure.savefig(path, dpi=130)
