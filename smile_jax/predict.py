"""Zero-shot on any mesh with any words:

    python -m smile_jax.predict --workdir DIR FILES... --prompts "a happy face" ...

FILES are meshes, or folders of one sequence each. Prints a JSON line for each:
`{"file", "prediction", "probabilities": {prompt: p}}`, and in "skipped" the names of
files in a folder that are no meshes. Without --prompts the run's own
classes are asked for. DIR is a run, or what `python -m smile_jax.export` wrote.

--timeline=FILE.csv also writes a row for each frame of each folder: the probability of
each prompt in a window around it, and how far the face has moved; --plot=FILE.png draws
them, and "onset", "apex" and "offset" of the answer's curve come into the JSON line. A
run on single scans, which knows no sequences, answers with its timeline alone.
"""

import argparse
import json
import pathlib
import sys
from typing import Any

import numpy as np
from absl import logging

from smile_jax import commands
from smile_jax.data.prompts import Prompts, plain_prompts
from smile_jax.data.schema import POSES
from smile_jax.data.windows import stacked
from smile_jax.errors import EXPECTED
from smile_jax.inference.recognizer import Recognizer, other_files
from smile_jax.inference.timeline import Timeline, plot, write_csv
from smile_jax.mesh import MeshError
from smile_jax.models import HashTokenizer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m smile_jax.predict",
        description="Zero-shot recognition of meshes with any words.",
    )
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--workdir", required=True, type=pathlib.Path)
    parser.add_argument("--prompts", nargs="+", default=[], metavar="TEXT")
    parser.add_argument(
        "--pose",
        default="",
        choices=POSES,
        help="how heads are turned to the front; by default as the dataset did",
    )
    parser.add_argument(
        "--unit_mm", type=float, default=1.0, help="millimetres of the files' unit"
    )
    parser.add_argument(
        "--timeline", type=pathlib.Path, metavar="CSV", help="answers over time"
    )
    parser.add_argument(
        "--plot", type=pathlib.Path, metavar="PNG", help="the same as a picture"
    )
    parser.add_argument(
        "--window_s",
        type=float,
        default=0.0,
        help="seconds of a timeline's windows; frames, without --rate_hz; 0: one frame",
    )
    parser.add_argument(
        "--rate_hz", type=float, default=0.0, help="frames a second of folders"
    )
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    try:
        if not 0 < arguments.unit_mm < float("inf"):
            raise ValueError(f"--unit_mm={arguments.unit_mm}: must be positive")
        if not 0 <= arguments.rate_hz < float("inf"):
            raise ValueError(f"--rate_hz={arguments.rate_hz}: must not be negative")
        if not 0 <= arguments.window_s < float("inf"):
            raise ValueError(f"--window_s={arguments.window_s}: must not be negative")
        recognizer = Recognizer.load(arguments.workdir)
        prompts = _prompts(recognizer, arguments.prompts)
        bank = recognizer.bank(prompts)
    except EXPECTED as error:
        commands.fail(error)
    failed, timelines = 0, {}
    for path in arguments.files:
        try:
            p, timeline = _answer(recognizer, path, prompts, bank, arguments)
        except MeshError as error:
            failed += 1
            print(json.dumps({"file": str(path), "error": str(error)}), flush=True)
            continue
        by_prompt = dict(zip(prompts.classes, map(float, p), strict=True))
        best = max(by_prompt, key=by_prompt.__getitem__)
        line: dict[str, Any] = {
            "file": str(path), "prediction": best, "probabilities": by_prompt,
        }  # fmt: skip
        if timeline:
            timelines[str(path)] = timeline
            line |= timeline.phases(best)
        if skipped := other_files(path):
            line["skipped"] = skipped
        print(json.dumps(line, ensure_ascii=False), flush=True)
    if timelines and arguments.timeline:
        write_csv(timelines, arguments.timeline)
    if timelines and arguments.plot:
        plot(timelines, arguments.plot)
    if failed:
        sys.exit(f"error: {failed} of {len(arguments.files)} files could not be read")


def _answer(
    recognizer: Recognizer,
    path: pathlib.Path,
    prompts: Prompts,
    bank: np.ndarray,
    arguments: argparse.Namespace,
) -> tuple[np.ndarray, Timeline | None]:
    """Probabilities of a file or folder, and over time where that is asked for."""
    given = {
        "pose": arguments.pose,
        "unit_mm": arguments.unit_mm,
        "rate_hz": arguments.rate_hz,
    }
    if not (path.is_dir() and (arguments.timeline or arguments.plot)):
        clip = recognizer.clip_of(path, **given)
        return recognizer.probabilities(stacked([clip]), bank)[0], None
    timeline = recognizer.timeline_of(
        path, prompts, window_s=arguments.window_s, **given
    )
    if recognizer.info.rendering.frames == 1:
        return timeline.probabilities.mean(axis=0), timeline
    clip = recognizer.clip_of(path, **given)
    return recognizer.probabilities(stacked([clip]), bank)[0], timeline


def _prompts(recognizer: Recognizer, texts: list[str]) -> Prompts:
    if not texts:
        return recognizer.info.prompts
    if len(set(texts)) < len(texts):
        raise ValueError(f"--prompts: {texts} has one of them twice")
    if isinstance(recognizer.spec.tokenizer, HashTokenizer):
        print(
            "warning: this run's text tower knows no language: words that were not in "
            "its training prompts mean nothing to it. Train with a pretrained one "
            "(model.pretrained or model.pretrained_text)",
            file=sys.stderr,
        )
    return plain_prompts(texts)


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)
    main()
