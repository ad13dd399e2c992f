"""Predicts what scans and sequences show, in any words.

    smile-jax predict --workdir=RUN SCAN.wrl FOLDER "more/*.ply" @list.txt
        [--prompts "a happy face" "a bored face"] [--out=answers.csv]

RUN is a run's folder, what `smile-jax export` wrote, or the hub name of such.
A folder's meshes are the frames of one sequence (--sequence) or a scan each (--each);
without either that is decided by names, topology and how near neighbours are, and said.
Without --prompts the run's own classes are asked for, and a neutral face where the run
learned what that is; --head=probe asks a linear probe on labels.

A line for each scan or sequence is printed as CSV, or written to --out=FILE, .csv,
.jsonl or .parquet. What is no face, and what could not be read, is named on stderr.
--timeline=FILE.csv writes a row for each frame of each sequence, --plot=FILE.png draws
them; --embeddings=FILE.npz has the features.

Ends with 0: every file has its answer. 1: nothing could be answered, or what was asked
for does not exist. 2: the command line is wrong. 3: some files were skipped.
"""

import argparse
import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import NoReturn

_HEADS = ("zero_shot", "zero_shot_grounded", "probe")
_POSES = ("auto", "as_is", "surface", "landmarks")
_EVERY_S = 2.0  # between lines on progress
NOTHING, SOME_SKIPPED = 1, 3


class _Parser(argparse.ArgumentParser):
    """Answers a mistake in one line, as all commands do."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (--help says more)\n")


def _arguments() -> argparse.Namespace:
    parser = _Parser(
        prog="smile-jax predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="meshes, folders, globs, @lists")
    add("--workdir", required=True, metavar="RUN", help="run, export or hub name")
    add(
        "--prompts", nargs="+", default=[], metavar="TEXT", help="prompts to tell apart"
    )
    add("--head", default="zero_shot", choices=_HEADS, help="which head answers")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--sequence", action="store_true", help="a folder holds the frames of one clip"
    )
    kind.add_argument("--each", action="store_true", help="a folder holds single scans")
    add("--recursive", action="store_true", help="search folders in folders, too")
    add("--out", type=pathlib.Path, metavar="FILE", help=".csv, .jsonl or .parquet")
    add("--timeline", type=pathlib.Path, metavar="CSV", help="write answers over time")
    add("--plot", type=pathlib.Path, metavar="PNG", help="draw answers over time")
    add(
        "--embeddings",
        type=pathlib.Path,
        metavar="NPZ",
        help="write the features of each clip",
    )
    add("--batch_size", type=_number(int, 1), default=32, help="clips per batch")
    add("--require_face", action="store_true", help="skip clips that show no face")
    add(
        "--pose",
        default="auto",
        choices=_POSES,
        help="how heads are turned: auto takes a landmark file beside a scan, else "
        "does what training did; one far off the front is turned by its surface",
    )
    add(
        "--unit_mm",
        type=_number(float, 0),
        default=0.0,
        help="millimetres per unit of the files; guessed by the head's size by default",
    )
    add(
        "--rate_hz",
        type=_number(float, 0),
        default=0.0,
        help="frames a second of sequences",
    )
    add(
        "--window_s",
        type=_number(float, 0),
        default=0.0,
        help="seconds of a timeline's windows; frames, without --rate_hz; 0: one frame",
    )
    return parser.parse_args()


def _number(kind: Callable, low: float) -> Callable:
    def parsed(text: str) -> float:
        value = kind(text)
        if not low <= value < math.inf:
            raise argparse.ArgumentTypeError(f"{text}: must be at least {low:g}")
        return value

    return parsed


def main() -> None:
    """Runs the command."""
    arguments = _arguments()  # before what takes seconds to import
    from absl import logging

    from smile_jax.core import command_line
    from smile_jax.core.errors import EXPECTED

    logging.set_verbosity(logging.WARNING)
    try:
        command_line.before_jax()
        code = _run(arguments)
    except EXPECTED as error:
        command_line.fail(error)
    sys.exit(code)


def _run(arguments: argparse.Namespace) -> int:
    from smile_jax.core.extras import needed_for
    from smile_jax.inference.prediction import Predictions, check_table
    from smile_jax.inference.recognizer import Recognizer
    from smile_jax.inference.timeline import plot, write_csv

    if arguments.out:
        check_table(arguments.out)
    if arguments.plot:  # said now, and not after all clips are answered
        with needed_for("--plot"):
            import matplotlib  # noqa: F401
    recognizer = Recognizer.load(arguments.workdir)
    if arguments.prompts and not recognizer.reads_language:
        _say(
            "warning: this run's text tower knows no language: words that were not in "
            "its training prompts mean nothing to it. Train with a pretrained one "
            "(model.pretrained or model.pretrained_text)"
        )
    found = recognizer.predict(
        arguments.files,
        arguments.prompts,
        head=arguments.head,
        how="sequence" if arguments.sequence else "each" if arguments.each else "auto",
        recursive=arguments.recursive,
        batch_size=arguments.batch_size,
        require_face=arguments.require_face,
        progress=_progress(),
        pose=arguments.pose,
        unit_mm=arguments.unit_mm,
        rate_hz=arguments.rate_hz,
        window_s=arguments.window_s,
        timeline=bool(arguments.timeline or arguments.plot),
    )
    assert isinstance(found, Predictions)
    for line in found.decided:
        _say(line)
    if not arguments.out:
        sys.stdout.write(found.to_csv() if len(found) else "")
    else:
        found.write(arguments.out)
        _say(f"wrote {len(found)} answers to {arguments.out}")
    timelines = {a.name: a.timeline for a in found if a.timeline is not None}
    if timelines and arguments.timeline:
        write_csv(timelines, arguments.timeline)
    if timelines and arguments.plot:
        plot(timelines, arguments.plot)
    if (arguments.timeline or arguments.plot) and not timelines:
        _say("warning: no sequence among them, so there is no timeline")
    if arguments.embeddings:
        found.write_embeddings(arguments.embeddings)
    for answer in found:
        for warning in answer.warnings:
            _say(f"warning: {answer.name}: {warning}")
    for name, why in found.skipped.items():
        _say(f"skipped: {why if why.startswith(name) else f'{name}: {why}'}")
    if found.other_files:
        _say(f"no meshes: {', '.join(found.other_files)}")
    if found.skipped:
        _say(f"{len(found)} answered, {len(found.skipped)} skipped")
    if not len(found):
        return NOTHING
    return SOME_SKIPPED if found.skipped else 0


def _progress() -> Callable[[int, int], None]:
    """Says how far it is, how fast, and how long the rest takes."""
    started = said = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < _EVERY_S or done == total:
            return
        said, rate = now, done / (now - started)
        _say(f"{done} of {total}, {rate:.1f} a second, {(total - done) / rate:.0f} s")

    return told


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
