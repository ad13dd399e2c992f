"""The runs of a suite: what identifies each, how it is performed, its numbers.

Every run is a folder of its own, trained and evaluated by the commands that anybody
would use; what was done already is not done again, and a run that was killed goes on.
"""

import csv
import dataclasses
import hashlib
import itertools
import json
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from smile_jax.config import Config, to_config, with_values
from smile_jax.config.default import all_keys
from smile_jax.config.factories import keys_of_other_methods
from smile_jax.core.files import folder_lock, replace_text
from smile_jax.data.mixture import folders_of
from smile_jax.evaluation.base import VERSION
from smile_jax.evaluation.protocols import results_folder
from smile_jax.evaluation.suite_definition import Suite, SuiteError, function
from smile_jax.objectives import OBJECTIVES, SOURCES
from smile_jax.training import run_cost as spending
from smile_jax.training.run_info import mixed_names
from smile_jax.training.run_migration import NEW_KEYS

_DONE = "benchmark.json"  # in a run's folder: what it was, and how long it took
# Where things are, or how fast they are read: not what is computed. So another machine
# may say otherwise by --set.
_OF_MACHINES = {
    "data.threads", "data.workers", "evaluation.batch_size", "model.pretrained",
    "model.pretrained_text",
}  # fmt: skip

Row = dict[str, Any]  # one value of one metric, by the names of `COLUMNS`

COLUMNS = (
    "suite", "method", "row", "text_source", "seed", "fold", "evaluation", "condition",
    "metric", "value", "labels_used", "transductive", "images_seen", "seconds", "flops",
    "peak_memory", "hardware", "commit", "digest",
)  # fmt: skip
# Of what each test person's clips were taken for.
PEOPLE_COLUMNS = (
    "suite", "method", "row", "seed", "fold", "evaluation", "subject", "clips", "right",
    "digest",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Run:
    """A training and its evaluation, or those of all folds, evaluated together.

    Attributes:
      suite: name of it.
      method: name.
      seed, fold: of the run; fold "all" of one that has parts.
      config: file of the experiment.
      settings: keys of the config that differ from it.
      workdir: of the run.
      machine: more keys, those of this machine.
      start: the run that it starts from.
      protocol: of its evaluation.
      test_data: location of what is tested on, where that is another dataset.
      prompts: files of other words.
      alone: evaluated without baselines.
      only: evaluations that are taken beside the linear probe; empty for all.
      parts: trainings of all folds, which are evaluated together; empty if it is one.
    """

    suite: str
    method: str
    seed: int
    fold: int | str
    config: str
    settings: Mapping[str, Any]
    workdir: pathlib.Path
    machine: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    start: "Run | None" = None
    protocol: str = "holdout"
    test_data: str = ""
    prompts: Sequence[str] = ()
    alone: bool = False
    only: Sequence[str] = ()
    parts: "tuple[Run, ...]" = ()

    @property
    def trainings(self) -> "Sequence[Run]":
        """The runs to train; the first stands for all where one number is reported."""
        return self.parts or (self,)

    @property
    def flags(self) -> list[str]:
        """The flags of the train command."""
        settings = {**self.settings, **self.machine}
        if self.start is not None:
            settings["model.start_from"] = str(self.start.workdir)
            settings["model.pretrained_text"] = ""  # that run has it
        return [
            f"--config={self.config}",
            *(f"--config.{key}={_as_flag(v)}" for key, v in settings.items()),
        ]

    @property
    def training_digest(self) -> str:
        """Identifies what is trained.

        That is the config, the versions of its method and of its text source, and the
        run that it starts from.

        Keys that a config did not always have count where they are not as without them.

        Raises:
          ConfigError: a setting that there is not.
        """
        config = self.read_config()
        return _digest(
            _values(config),
            _versions(OBJECTIVES[config.objective.name]),
            _versions(SOURCES[config.text_source]),
            self.start.training_digest if self.start else "",
        )

    @property
    def digest(self) -> str:
        """Identifies what is trained and how it is evaluated.

        Results of another digest belong to another run.
        """
        tested = [x for f in folders_of(self.test_data) for x in _dataset(f)]
        evaluation = [VERSION, self.protocol, *tested]
        return _digest(self.training_digest, evaluation)

    def read_config(self) -> Config:
        """Returns the config of the run, without what differs between machines."""
        own = {k: v for k, v in self.machine.items() if k not in _OF_MACHINES}
        config = to_config(function(pathlib.Path(self.config), "get_config")())
        return with_values(config, {**self.settings, **own})

    def done(self) -> dict[str, Any]:
        """Returns what was recorded when it was done; empty if it is not done."""
        path = self.workdir / _DONE
        found = json.loads(path.read_text()) if path.exists() else {}
        whole = found.get("finished") and self._results.exists()
        return found if whole and found["digest"] == self.digest else {}

    @property
    def place(self) -> tuple[str, str, str]:
        """Method, seed and fold, as tables say them."""
        return self.method, str(self.seed), str(self.fold)

    def results(self) -> dict[str, Any]:
        """Returns the results that its evaluation wrote."""
        return json.loads(self._results.read_text())

    @property
    def evaluated(self) -> pathlib.Path:
        """Folder that its evaluation writes into."""
        return results_folder(self.workdir, self.protocol, self.only)

    @property
    def _results(self) -> pathlib.Path:
        return self.evaluated / "results.json"


def _digest(*told: Any) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _versions(method: type) -> list[int]:
    """Returns the versions of a class and of those that it is a variant of."""
    return [vars(c)["version"] for c in method.__mro__ if "version" in vars(c)]


def _dataset(folder: str) -> tuple[str, ...]:
    """Name and config of a dataset, wherever it is."""
    return pathlib.PurePath(folder).parts[-2:]


def _values(config: Config) -> list[tuple[str, str]]:
    """Returns the keys of a config that decide what is computed.

    Left out are the settings of other methods, and keys with the value that was in
    force before there was such a key.
    """
    found = []
    others = keys_of_other_methods(config)
    for key in all_keys():
        if key in others:
            continue
        value: Any = config
        for part in key.split("."):
            value = getattr(value, part)
        if key == "data.dir":  # which dataset, wherever it is
            value = _dataset(value)
        elif key == "data.mixture":
            value = tuple(mixed_names(value))
        if key not in NEW_KEYS or value != NEW_KEYS[key]:
            found.append((key, repr(value)))
    return found


def runs_of(
    name: str, suite: Suite, out: pathlib.Path, machine: Mapping[str, Any]
) -> list[Run]:
    """Returns all runs of a suite, those that others start from first.

    The protocol "kfold" has one run for all folds of a method and a seed.

    Args:
      name: of the suite.
      suite: what is compared.
      out: folder whose folders the runs are.
      machine: keys of the config that all methods have on this machine, whatever the
        suite says of them.

    Raises:
      SuiteError: among them is what tells runs apart.
    """
    if both := {"seed", "data.fold"} & machine.keys():
        raise SuiteError(f"{', '.join(sorted(both))}: the suite's runs differ in it")

    def depth(method: str) -> int:
        start = suite.starts.get(method)
        return 0 if start is None else 1 + depth(start)

    found: dict[tuple[int, int, str], Run] = {}
    methods = sorted(suite.methods, key=depth)
    pooled = suite.protocol == "kfold"
    for seed, fold, method in itertools.product(suite.seeds, suite.folds, methods):
        settings = suite.settings(method, fold) | {"seed": seed, "data.fold": fold}
        elsewhere = settings.pop("test_data", suite.test_data)
        run = Run(
            name,
            method,
            seed,
            fold,
            settings.pop("config", suite.config),
            settings,
            out / folder_name(method, seed, fold),
            machine,
            found.get((seed, fold, suite.starts.get(method, ""))),
            suite.protocol,
            elsewhere,
            suite.prompts,
            # What nobody looks at takes as long as the method's own answers.
            alone=method not in {*suite.baselines.values(), *suite.starts},
        )
        found[seed, fold, method] = _of_all_folds(run) if pooled else run
    return list(found.values())


def _of_all_folds(run: Run) -> Run:
    """Returns a run of the same method and seed in each fold, evaluated together."""
    where = run.workdir.with_name(folder_name(run.method, run.seed))
    folds = run.read_config().data.folds
    if run.start and len(run.start.parts) != folds:
        raise SuiteError(
            f"{run.method!r} has {folds} folds and starts from {run.start.method!r}, "
            f"which has {len(run.start.parts)}"
        )
    parts = [
        dataclasses.replace(
            run,
            fold=fold,
            settings={**run.settings, "data.fold": fold},
            workdir=where / f"fold_{fold}",
            start=run.start and run.start.parts[fold],
        )
        for fold in range(folds)
    ]
    return dataclasses.replace(run, fold="all", workdir=where, parts=tuple(parts))


def folder_name(method: str, *numbers: int) -> str:
    """Returns a folder name from a method's words and numbers."""
    return "_".join([*re.findall(r"\w+", method), *map(str, numbers)])


def perform(run: Run) -> None:
    """Trains and evaluates what is missing of a run and of its starting run.

    Raises:
      SuiteError: a command failed, or the folder holds another run.
    """
    if run.start is not None:
        perform(run.start)
    run.workdir.mkdir(parents=True, exist_ok=True)
    with folder_lock(run.workdir):  # others may start from the same run
        if not run.done():
            _perform(run)


def _perform(run: Run) -> None:
    """Performs a run; the caller keeps other processes out."""
    path = run.workdir / _DONE
    before = json.loads(path.read_text()) if path.exists() else {}
    if before and before.get("training") != run.training_digest:
        raise SuiteError(
            f"{run.workdir} holds a run of other settings; remove it, or name another "
            "--out"
        )
    seconds = before.get("seconds", 0.0)
    state = {
        "training": run.training_digest, "trained": before.get("trained", False),
        "digest": run.digest, "seconds": seconds, "finished": False,
    }  # fmt: skip
    replace_text(path, json.dumps(state))
    if not state["trained"]:  # else it is evaluated again
        started = time.monotonic()
        try:
            for part in run.trainings:
                _command(part, "train", *part.flags)
            state["trained"] = True
        finally:
            state["seconds"] = round(seconds + time.monotonic() - started, 1)
            replace_text(path, json.dumps(state))
    asked = [f"--protocol={run.protocol}", *(f"--prompts={x}" for x in run.prompts)]
    if run.test_data:
        asked.append(f"--test_data={run.test_data}")
    if run.alone:
        asked.append("--nobaselines")
    asked += [f"--only={name}" for name in run.only]
    _command(run, "evaluate", *asked)
    replace_text(path, json.dumps(state | {"finished": True}))


def _command(run: Run, name: str, *flags: str) -> None:
    words = ["-m", f"smile_jax.{name}", f"--workdir={run.workdir}", *flags]
    log = run.workdir / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as file:
        code = subprocess.run(
            [sys.executable, *words], stdout=file, stderr=file, check=False
        ).returncode
    if code:
        last = (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
        raise SuiteError(f"{log}: {name} ended with {code}: {last}")


def rows_of(run: Run) -> Iterator[Row]:
    """Yields every number of an evaluated run.

    For a run of several folds, images, operations and memory are those of its first
    training, and seconds are the sum of all.
    """
    done, results, first = run.done(), run.results(), run.trainings[0].workdir
    told = json.loads((first / "run.json").read_text())
    spent = json.loads((first / spending.FILE).read_text())
    common = {
        "suite": run.suite, "method": run.method, "seed": run.seed, "fold": run.fold,
        "images_seen": results["images_seen"],
        "flops": f"{spent['flops_per_step'] * results['step']:.4g}",
        "seconds": done["seconds"], "peak_memory": spent["peak_memory"],
        "hardware": spent["hardware"], "commit": told["commit"],
        "digest": done["digest"],
    }  # fmt: skip
    for row in results["rows"]:
        about = {
            "row": row["method"],
            "text_source": row["text_source"] or "",
            "labels_used": row["labels_used"],
            "transductive": row["transductive"],
        }
        for evaluation, scores in row.items():
            for condition, metric, value in _numbers(scores):
                yield (
                    common
                    | about
                    | {
                        "evaluation": evaluation,
                        "condition": condition,
                        "metric": metric,
                        "value": value,
                    }
                )


def _numbers(scores: Any) -> Iterator[tuple[str, str, float]]:
    """(condition, metric, value): of an evaluation, or of each of its conditions."""
    if not isinstance(scores, dict):
        return
    for name, value in scores.items():
        if isinstance(value, (int, float)):
            yield "", name, value
        elif isinstance(value, dict):
            for metric, x in value.items():
                if isinstance(x, (int, float)):
                    yield name, metric, x


def people_of(run: Run, evaluations: Collection[str]) -> Iterator[Row]:
    """Yields how many clips of each test person an evaluated run answered correctly."""
    with (run.evaluated / "predictions.csv").open(newline="") as file:
        clips = [row for row in csv.DictReader(file) if row["label"]]
    common = {
        "suite": run.suite, "method": run.method, "seed": run.seed, "fold": run.fold,
        "digest": run.done()["digest"],
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


def place_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Returns method, seed and fold of a row, as `Run.place` does."""
    return row["method"], str(row["seed"]), str(row["fold"])


def current_rows(stored: Sequence[Mapping[str, str]], runs: Sequence[Run]) -> list[Row]:
    """Returns the stored rows of runs as they are now, whichever machine wrote them."""
    digests = {run.place: run.digest for run in runs}
    return [
        dict(row) for row in stored if digests.get(place_of(row)) == row.get("digest")
    ]


def _as_flag(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"({','.join(map(repr, value))},)"
    return str(value)
