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
them; --embeddings=FILE.npz has the features. Answers are kept in FILE.part as they
come: the same command with --resume goes on after whatever ended it.

Ends with 0: every file has its answer. 1: nothing could be answered, or what was asked
for does not exist. 2: the command line is wrong. 3: some files were skipped.
"""

import argparse
import dataclasses
import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

_HEADS = ("zero_shot", "zero_shot_grounded", "probe")
_HEADS_OF_FILES = ("one", "all")
_POSES = ("auto", "as_is", "found", "landmarks", "surface")
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
    add(
        "--heads",
        default="one",
        choices=_HEADS_OF_FILES,
        help="of a file that shows several: answer for the surest, or for each",
    )
    add("--resume", action="store_true", help="go on where the same command ended")
    add("--batch_size", type=_number(int, 1), default=32, help="clips per batch")
    add("--require_face", action="store_true", help="skip clips that show no face")
    add(
        "--pose",
        default="auto",
        choices=_POSES,
        help="how heads are turned: auto does what training did, by a landmark file "
        "beside a scan where that had some; one far off the front is turned to it",
    )
    add(
        "--unit_mm",
        type=_number(float, 0),
        default=0.0,
        help="millimetres per unit of the files; by the size of the face by default",
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
    from smile_jax.core.text_files import printable
    from smile_jax.inference.input_files import each_head, find_inputs
    from smile_jax.inference.preprocessing import ReadingOptions
    from smile_jax.inference.recognizer import Recognizer
    from smile_jax.mesh import MeshError

    _check_outputs(arguments)
    how = "sequence" if arguments.sequence else "each" if arguments.each else "auto"
    found = find_inputs(arguments.files, how, recursive=arguments.recursive)
    for line in found.decided:
        _say(line)
    if arguments.heads == "all":
        found.clips = each_head(found.clips)
    recognizer = Recognizer.load(arguments.workdir)
    if arguments.prompts and not recognizer.reads_language:
        _say(
            "warning: this run's text tower knows no language: words that were not in "
            "its training prompts mean nothing to it. Train with a pretrained one "
            "(model.pretrained or model.pretrained_text)"
        )
    question = recognizer.question(arguments.prompts, arguments.head)
    reading = ReadingOptions(
        pose=arguments.pose,
        unit_mm=arguments.unit_mm,
        rate_hz=arguments.rate_hz,
        window_s=arguments.window_s,
        timeline=bool(arguments.timeline or arguments.plot),
    )
    asked = {}
    if _first_output(arguments):  # what answers that are kept depend on
        asked = {
            "head": arguments.head,
            "prompts": list(question.names),
            "require_face": arguments.require_face,
            "reading": dataclasses.asdict(reading),
            "embeddings": bool(arguments.embeddings),
            "inputs": [printable(clip.name) for clip in found.clips],
            "model": recognizer.fingerprint,
        }
    out = _Outputs(arguments, asked)
    left = [clip for clip in found.clips if not out.has(clip.name)]
    if len(left) < len(found.clips):
        _say(f"{len(found.clips) - len(left)} of {len(found.clips)} are answered")
    told, skipped = _progress(), {}
    answers = recognizer.answers(
        left,
        question,
        reading,
        batch_size=arguments.batch_size,
        require_face=arguments.require_face,
    )
    for number, (clip, answer) in enumerate(answers, start=1):
        told(number, len(left))
        if isinstance(answer, MeshError):
            skipped[clip.name] = str(answer)
            continue
        out.add(clip.name, answer)
        for warning in answer.warnings:
            _say(f"warning: {clip.name}: {warning}")
    count = out.finish([clip.name for clip in found.clips])
    for name, why in skipped.items():
        _say(f"skipped: {why if why.startswith(name) else f'{name}: {why}'}")
    if found.other_files:
        _say(f"no meshes: {', '.join(found.other_files)}")
    if skipped:
        _say(f"{count} answered, {len(skipped)} skipped")
    if not count:
        return NOTHING
    return SOME_SKIPPED if skipped else 0


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Refuses what cannot be written now, and not after all clips are answered."""
    from smile_jax.core.extras import needed_for
    from smile_jax.inference.prediction import check_output, check_table
    from smile_jax.inference.timeline import PLOTS

    if arguments.out:
        check_table(arguments.out)
    if arguments.timeline:
        check_output(arguments.timeline, (".csv",))
    if arguments.embeddings:
        check_output(arguments.embeddings, (".npz",))
    if arguments.plot:
        check_output(arguments.plot, PLOTS)
        with needed_for("--plot"):
            import matplotlib  # noqa: F401
    outputs = (
        arguments.out, arguments.timeline, arguments.plot, arguments.embeddings
    )  # fmt: skip
    named = [path.absolute() for path in outputs if path]
    if len(set(named)) < len(named):
        raise ValueError(f"{named[0]}: two outputs have this name; give each its own")
    if arguments.resume and not _first_output(arguments):
        raise ValueError("--resume goes on with a file: name it with --out")


def _first_output(arguments: argparse.Namespace) -> pathlib.Path | None:
    """The output beside which answers are kept as they come."""
    return arguments.out or arguments.timeline or arguments.plot or arguments.embeddings


class _Outputs:
    """Where answers go: to stdout as they come, or by a part file into files."""

    def __init__(self, arguments: argparse.Namespace, asked: dict[str, Any]) -> None:
        from smile_jax.inference.answer_file import AnswerFile

        self._arguments, self._printed = arguments, 0
        first = _first_output(arguments)
        self._file: AnswerFile | None = None
        if first:
            arrays = bool(arguments.embeddings)
            self._file = AnswerFile.beside(
                first, asked, arrays=arrays, resume=arguments.resume
            )

    def has(self, name: str) -> bool:
        """True if a clip was answered before."""
        return self._file is not None and self._file.has(name)

    def add(self, name: str, answer: Any) -> None:
        from smile_jax.inference.prediction import as_csv

        if self._file:
            self._file.add(name, answer)
        if not self._arguments.out:
            row = as_csv([answer.row()], header=not self._printed)
            sys.stdout.write(row)
            sys.stdout.flush()
        self._printed += 1

    def finish(self, names: list[str]) -> int:
        """Writes the files; returns how many answers there are."""
        from smile_jax.inference.prediction import write_features, write_table
        from smile_jax.inference.timeline import plot, write_csv

        a, file = self._arguments, self._file
        if file is None:
            return self._printed
        rows = file.rows(names)
        if a.out:
            write_table(rows, a.out)
            _say(f"wrote {len(rows)} answers to {a.out}")
        timelines = file.timelines(names) if a.timeline or a.plot else {}
        if timelines and a.timeline:
            write_csv(timelines, a.timeline)
        if timelines and a.plot:
            plot(timelines, a.plot)
        if (a.timeline or a.plot) and not timelines:
            _say("warning: no sequence among them, so there is no timeline")
        if a.embeddings:
            write_features(file.features(names), a.embeddings)
        file.remove()
        return len(rows)


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
