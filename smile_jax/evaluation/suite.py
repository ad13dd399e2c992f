"""Suites: several methods on the same people, images and budget, and what became of it.

Every run is a folder of its own, trained and evaluated by the commands that anybody
would use; what was done already is not done again, and a run that was killed goes on.
"""

import csv
import dataclasses
import hashlib
import importlib.util
import io
import itertools
import json
import math
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from smile_jax.config import changed, typed
from smile_jax.evaluation.evaluations import EVALUATIONS
from smile_jax.evaluation.significance import Difference, holm, paired_bootstrap
from smile_jax.files import replace_text
from smile_jax.training import spent as spending

# Evaluations whose answers are classes of the labels: right or not, clip by clip.
OF_LABELS = frozenset(e.name for e in EVALUATIONS if "label" in e.fields)

_DONE = "benchmark.json"  # in a run's folder: what it was, and how long it took

Row = dict[str, Any]  # one value of one metric, by the names of `COLUMNS`

COLUMNS = (
    "suite", "method", "row", "text_source", "seed", "fold", "evaluation", "metric",
    "value", "labels_used", "images_seen", "seconds", "flops", "peak_memory",
    "hardware", "commit",
)  # fmt: skip
# Of what each test person's clips were taken for.
PEOPLE_COLUMNS = (
    "suite", "method", "row", "seed", "fold", "evaluation", "subject", "clips", "right",
)  # fmt: skip


class SuiteError(ValueError):
    """A suite that cannot be run, or a run of it that failed; says which and why."""


@dataclasses.dataclass(frozen=True)
class Suite:
    """What is compared.

    Attributes:
      config: file of the experiment that all methods are variants of.
      methods: name -> keys of the config that it sets, without "config."; "config"
        names the file of another experiment that it is a variant of.
      shown: columns of the table: evaluation and metric of `results.json`.
      baselines: rows of the evaluation that stand in the table beside the methods, each
        with the method by whose runs it is computed.
      seeds, folds: each method has a run for each pair.
      reference: method that the others are compared with, by the first of `shown`; "":
        none.
      starts: method -> method whose run of the same seed and fold it starts from
        (`model.start_from`).
    """

    config: str
    methods: Mapping[str, Mapping[str, Any]]
    shown: Sequence[tuple[str, str]]
    baselines: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seeds: Sequence[int] = (0, 1, 2)
    folds: Sequence[int] = (0,)
    starts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    reference: str = ""

    def __post_init__(self) -> None:
        named = [*self.baselines.items(), *self.starts.items()]
        if self.reference:
            named.append(("reference", self.reference))
        for name, method in named:
            if method not in self.methods:
                raise SuiteError(f"{name!r}: there is no method {method!r}")
        if self.reference and self.shown[0][0] not in OF_LABELS:
            raise SuiteError(
                f"{self.shown[0][0]!r}, the first that is shown, is what methods are "
                f"compared by: must be one of {', '.join(sorted(OF_LABELS))}"
            )

    def listed(self) -> list[tuple[str, str, str]]:
        """Lines of tables: name, the method by whose runs, row of the evaluation."""
        methods = [(name, name, "smile") for name in self.methods]
        return methods + [(row, name, row) for row, name in self.baselines.items()]

    def over(self, settings: Mapping[str, Any]) -> "Suite":
        """The same with keys set in every method, as of other data."""
        methods = {name: {**own, **settings} for name, own in self.methods.items()}
        return dataclasses.replace(self, methods=methods)


@dataclasses.dataclass(frozen=True)
class Run:
    """One training and its evaluation.

    Attributes:
      suite: name of it.
      method: name.
      seed, fold: of the run.
      config: file of the experiment.
      settings: keys of the config that differ from it.
      workdir: of the run.
    """

    suite: str
    method: str
    seed: int
    fold: int
    config: str
    settings: Mapping[str, Any]
    workdir: pathlib.Path

    @property
    def flags(self) -> list[str]:
        """That the train command gets."""
        return [
            f"--config={self.config}",
            *(f"--config.{key}={_as_flag(v)}" for key, v in self.settings.items()),
        ]

    @property
    def digest(self) -> str:
        """Of the whole config: of another one it is another run.

        Raises:
          ConfigError: a setting that there is not.
        """
        config = typed(_function(pathlib.Path(self.config), "get_config")())
        told = dataclasses.asdict(changed(config, self.settings))
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    def done(self) -> dict[str, Any]:
        """What was written when it was done; empty where it is still to be done."""
        path = self.workdir / _DONE
        found = json.loads(path.read_text()) if path.exists() else {}
        whole = found.get("finished") and (self.workdir / "eval/results.json").exists()
        return found if whole and found["digest"] == self.digest else {}


def read_suite(path: pathlib.Path) -> Suite:
    """The `get_suite()` of a Python file."""
    return _function(path, "get_suite")()


def _function(path: pathlib.Path, name: str) -> Callable[[], Any]:
    """Of a Python file."""
    if not path.is_file():
        raise SuiteError(f"{path}: there is no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise SuiteError(f"{path}: it has no {name}()")
    return getattr(module, name)


def runs_of(
    name: str, suite: Suite, out: pathlib.Path, more: Mapping[str, Any]
) -> list[Run]:
    """All runs of a suite, those first that others start from.

    Args:
      name: of the suite.
      suite: what is compared.
      out: folder whose folders the runs are.
      more: keys of the config that all methods have.
    """

    def depth(method: str) -> int:
        start = suite.starts.get(method)
        return 0 if start is None else 1 + depth(start)

    def workdir(method: str, seed: int, fold: int) -> pathlib.Path:
        words = "_".join(re.findall(r"\w+", method))
        return out / f"{words}_{seed}_{fold}"

    found = []
    methods = sorted(suite.methods, key=depth)
    for seed, fold, method in itertools.product(suite.seeds, suite.folds, methods):
        settings = {**more, **suite.methods[method], "seed": seed, "data.fold": fold}
        config = settings.pop("config", suite.config)
        if method in suite.starts:
            start = workdir(suite.starts[method], seed, fold)
            settings["model.start_from"] = str(start)
            settings["model.pretrained_text"] = ""  # that run has it
        where = workdir(method, seed, fold)
        found.append(Run(name, method, seed, fold, config, settings, where))
    return found


def perform(run: Run) -> None:
    """Trains and evaluates a run as far as that was not done.

    Raises:
      SuiteError: a command failed, or the folder holds another run.
    """
    path = run.workdir / _DONE
    before = json.loads(path.read_text()) if path.exists() else {}
    if before and before["digest"] != run.digest:
        raise SuiteError(
            f"{run.workdir} holds a run of other settings; remove it, or name another "
            "--out"
        )
    run.workdir.mkdir(parents=True, exist_ok=True)
    seconds = before.get("seconds", 0.0)
    state = {"digest": run.digest, "seconds": seconds, "finished": False}
    replace_text(path, json.dumps(state))
    started = time.monotonic()
    try:
        _command(run, "train", *run.flags)
    finally:
        state["seconds"] = round(seconds + time.monotonic() - started, 1)
        replace_text(path, json.dumps(state))
    _command(run, "evaluate")
    replace_text(path, json.dumps(state | {"finished": True}))


def _command(run: Run, name: str, *flags: str) -> None:
    words = ["-m", f"smile_jax.{name}", f"--workdir={run.workdir}", *flags]
    log = run.workdir / f"{name}.log"
    with log.open("w") as file:
        code = subprocess.run(
            [sys.executable, *words], stdout=file, stderr=file, check=False
        ).returncode
    if code:
        last = (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
        raise SuiteError(f"{log}: {name} ended with {code}: {last}")


def rows_of(run: Run) -> Iterator[Row]:
    """Every number of an evaluated run."""
    done = run.done()
    results = json.loads((run.workdir / "eval/results.json").read_text())
    told = json.loads((run.workdir / "run.json").read_text())
    spent = json.loads((run.workdir / spending.FILE).read_text())
    common = {
        "suite": run.suite, "method": run.method, "seed": run.seed, "fold": run.fold,
        "images_seen": results["images_seen"],
        "flops": f"{spent['flops_per_step'] * results['step']:.4g}",
        "seconds": done["seconds"], "peak_memory": spent["peak_memory"],
        "hardware": spent["hardware"], "commit": told["commit"],
    }  # fmt: skip
    for row in results["rows"]:
        about = {
            "row": row["method"],
            "text_source": row["text_source"] or "",
            "labels_used": row["labels_used"],
        }
        for evaluation, scores in row.items():
            if not isinstance(scores, dict):
                continue
            for metric, value in scores.items():
                if isinstance(value, (int, float)):
                    found = {"evaluation": evaluation, "metric": metric, "value": value}
                    yield common | about | found


def people_of(run: Run, evaluations: Collection[str]) -> Iterator[Row]:
    """How many clips of each test person an evaluated run had right."""
    with (run.workdir / "eval/predictions.csv").open(newline="") as file:
        clips = [row for row in csv.DictReader(file) if row["label"]]
    common = {
        "suite": run.suite, "method": run.method, "seed": run.seed, "fold": run.fold,
    }  # fmt: skip
    for column in clips[0] if clips else ():
        row, _, evaluation = column.partition("/")
        if evaluation not in evaluations:
            continue
        for subject in sorted({clip["subject"] for clip in clips}):
            own = [c for c in clips if c["subject"] == subject and c[column]]
            yield common | {
                "row": row,
                "evaluation": evaluation,
                "subject": subject,
                "clips": len(own),
                "right": sum(c[column] == c["label"] for c in own),
            }


def to_csv(rows: Sequence[Row], columns: Sequence[str] = COLUMNS) -> str:
    """A line for each."""
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def table(suite: Suite, rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown, of the raw rows alone: mean over seeds and folds, and half of Student's
    95 per cent interval where there are several."""
    heads = ["method", *(f"{e}: {m}" for e, m in suite.shown), "runs"]
    lines = [heads, ["---"] * len(heads)]
    for name, method, row in suite.listed():
        mine = [r for r in rows if (r["method"], r["row"]) == (method, row)]
        cells, count = [], 0
        for evaluation, metric in suite.shown:
            values = [
                float(r["value"])
                for r in mine
                if (r["evaluation"], r["metric"]) == (evaluation, metric)
            ]
            count = max(count, len(values))
            cells.append(said(values))
        if count:
            lines.append([name, *cells, str(count)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def comparisons(suite: Suite, people: Sequence[Mapping[str, Any]]) -> str:
    """Markdown, of rows of people alone: how far the reference is above each other
    line of the table, where both have runs of the same seeds and folds."""
    evaluation, _ = suite.shown[0]
    counts: dict[tuple[str, str], dict[tuple[str, str, str], np.ndarray]] = {}
    for r in people:
        if r["evaluation"] == evaluation:
            own = counts.setdefault((r["method"], r["row"]), {})
            place = str(r["seed"]), str(r["fold"]), r["subject"]
            own[place] = np.array([float(r["right"]), float(r["clips"])])
    ours = counts.get((suite.reference, "smile"), {})
    found = []
    for name, method, row in suite.listed():
        theirs = counts.get((method, row), {})
        if (method, row) == (suite.reference, "smile") or not ours.keys() & theirs:
            continue
        found.append((name, _difference(ours, theirs)))
    if not found:
        return ""
    adjusted = holm([difference.p for _, (difference, _) in found])
    lines = [
        [f"{suite.reference}, {evaluation}, above", "by", "95 % interval", "p (Holm)",
         "pairs of runs"],
        ["---"] * 5,
    ]  # fmt: skip
    for (name, (d, runs)), p in zip(found, adjusted, strict=True):
        reach = f"{d.low:+.3f} to {d.high:+.3f}"
        lines.append([name, f"{d.mean:+.3f}", reach, f"{p:.2g}", str(runs)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _difference(
    ours: Mapping[tuple[str, str, str], np.ndarray],
    theirs: Mapping[tuple[str, str, str], np.ndarray],
) -> tuple[Difference, int]:
    """Of counts by seed, fold and person; and of how many pairs of runs."""
    shared = sorted(ours.keys() & theirs.keys())
    runs = sorted({(seed, fold) for seed, fold, _ in shared})
    people = sorted({subject for *_, subject in shared})
    right = np.zeros((len(runs), len(people)))
    clips = np.zeros_like(right)
    for place in shared:
        at = runs.index(place[:2]), people.index(place[2])
        right[at] = ours[place][0] - theirs[place][0]
        clips[at] = ours[place][1]
    return paired_bootstrap(right, clips), len(runs)


def said(values: Sequence[float]) -> str:
    """Mean and interval as text."""
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    mean, half = interval(values)
    return f"{mean:.3f} ± {half:.3f}"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half of Student's 95 per cent interval about it."""
    deviation = float(np.std(values, ddof=1))
    reach = float(stats.t.ppf(0.975, len(values) - 1))
    return float(np.mean(values)), reach * deviation / math.sqrt(len(values))


def _as_flag(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"({','.join(map(repr, value))},)"
    return str(value)
