"""The definition of a suite: what is compared, as `get_suite()` of a file says it."""

import dataclasses
import importlib.util
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from smile_jax.core.own_files import find_own
from smile_jax.evaluation.registry import EVALUATIONS

# Evaluations whose answers are classes of the labels: right or not, clip by clip.
OF_LABELS = frozenset(e.name for e in EVALUATIONS if "label" in e.fields)


class SuiteError(ValueError):
    """A suite that cannot be run, or a run of it that failed; says which and why."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The settings that methods are tried with, chosen on training people.

    Attributes:
      keys: method -> key of the config and its values, in the order in which they are
        chosen: the first values of later keys go with all values of the first one.
        Every method has as many trials.
      settings: keys of the config that all trials have, such as fewer epochs.
      seed: of them.
    """

    keys: Mapping[str, Mapping[str, Sequence[Any]]]
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        counts = {method: self.trials(method) for method in self.keys}
        if len(set(counts.values())) > 1:
            raise SuiteError(f"methods must have as many trials, but have {counts}")

    def trials(self, method: str) -> int:
        """Counts a method's trials.

        Those of a later key lack the value that was already tried.
        """
        return 1 + sum(len(values) - 1 for values in self.keys[method].values())


@dataclasses.dataclass(frozen=True)
class Suite:
    """The methods, seeds and folds that are compared.

    Attributes:
      config: file of the experiment that all methods are variants of.
      methods: name -> keys of the config that it sets, without "config."; "config"
        names the file of another experiment that it is a variant of, and "test_data"
        what it is tested on, if not what all are.
      shown: columns of the table: evaluation and metric of `results.json`, and the
        condition where the evaluation has several.
      baselines: rows of the evaluation that stand in the table beside the methods, each
        with the method by whose runs it is computed.
      seeds, folds: each method has a run for each pair.
      references: methods that all others are compared with, by the first of `shown`.
      starts: method -> method whose run of the same seed and fold it starts from
        (`model.start_from`).
      sweep: how settings are chosen; None: they stand here.
      chosen_as: method -> method of the sweep whose choices it has, as a variant of it.
      choices: method -> fold -> what the sweep has chosen; `read_suite` reads it.
      protocol: of evaluations, "holdout"; "kfold", which trains in all folds of the
        dataset's people and pools what they answer; or "cross".
      test_data: with "cross", the dataset whose people are tested, or several, joined
        by " + ".
      prompts: files of other words to be zero-shot with as well.
    """

    config: str
    methods: Mapping[str, Mapping[str, Any]]
    shown: Sequence[tuple[str, ...]]
    baselines: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seeds: Sequence[int] = (0, 1, 2)
    folds: Sequence[int] = (0,)
    starts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    references: Sequence[str] = ()
    sweep: Sweep | None = None
    chosen_as: Mapping[str, str] = dataclasses.field(default_factory=dict)
    choices: Mapping[str, Mapping[str, Mapping[str, Any]]] = dataclasses.field(
        default_factory=dict
    )
    protocol: str = "holdout"
    test_data: str = ""
    prompts: Sequence[str] = ()

    def __post_init__(self) -> None:
        swept = self.sweep.keys if self.sweep else {}
        named = [*self.baselines.items(), *self.starts.items()]
        named += [(name, name) for name in (*swept, *self.chosen_as)]
        named += [("references", name) for name in self.references]
        named += [("starts", name) for name in self.starts]
        for name, method in named:
            if method not in self.methods:
                raise SuiteError(f"{name!r}: there is no method {method!r}")
        for name, method in self.chosen_as.items():
            if method not in (swept or self.choices):
                raise SuiteError(
                    f"{name!r}: the sweep has no method {method!r}, or has chosen "
                    "nothing for it yet"
                )
        for name, keys in self.methods.items():
            elsewhere = keys.get("test_data", self.test_data)
            if (self.protocol == "cross") != bool(elsewhere):
                raise SuiteError(
                    f"{name!r}: protocol={self.protocol!r}, test_data={elsewhere!r}: "
                    "'cross', and no other protocol, tests on another dataset"
                )
        if self.protocol == "kfold" and (self.sweep or list(self.folds) != [0]):
            raise SuiteError(
                "protocol='kfold' trains in every fold by the same settings: it goes "
                "without folds and without a sweep, whose people are tested in others"
            )
        if self.references and self.shown[0][0] not in OF_LABELS:
            raise SuiteError(
                f"{self.shown[0][0]!r}, the first that is shown, is what methods are "
                f"compared by: must be one of {', '.join(sorted(OF_LABELS))}"
            )

    def listed(self) -> list[tuple[str, str, str]]:
        """Returns (name, method, evaluation row) of each table line."""
        methods = [(name, name, "smile") for name in self.methods]
        return methods + [(row, name, row) for row, name in self.baselines.items()]

    def over(self, settings: Mapping[str, Any]) -> "Suite":
        """Returns the suite with keys set in every method, as for other data."""
        methods = {name: {**own, **settings} for name, own in self.methods.items()}
        return dataclasses.replace(self, methods=methods)

    def only(self, names: Sequence[str]) -> "Suite":
        """Returns the suite with some of its methods and what was chosen for them.

        Raises:
          SuiteError: there is no such method, or one starts from another that is not
            among them.
        """
        if unknown := set(names) - self.methods.keys():
            raise SuiteError(
                f"there is no method {', '.join(sorted(unknown))}, but "
                f"{', '.join(self.methods)}"
            )
        return dataclasses.replace(
            self,
            methods={name: self.methods[name] for name in names},
            baselines={k: m for k, m in self.baselines.items() if m in names},
            starts={k: m for k, m in self.starts.items() if k in names},
            references=[name for name in self.references if name in names],
            sweep=None,
            chosen_as={k: m for k, m in self.chosen_as.items() if k in names},
        )

    def unchosen(self) -> list[str]:
        """Methods that the sweep has not chosen settings for, in some fold."""
        folds = {str(fold) for fold in self.folds}
        keys = self.sweep.keys if self.sweep else ()
        return [m for m in keys if not folds <= self.choices.get(m, {}).keys()]

    def settings(self, method: str, fold: int) -> dict[str, Any]:
        """Keys of the config that a method's runs of a fold have, "config" too."""
        own, of = self.methods[method], self.chosen_as.get(method, method)
        chosen = self.choices.get(of, {}).get(str(fold), {})
        # What makes a variant one is not chosen away.
        return {**chosen, **own} if method in self.chosen_as else {**own, **chosen}


def read_suite(path: pathlib.Path) -> Suite:
    """The `get_suite()` of a Python file, with what its sweep has chosen."""
    suite, beside = function(path, "get_suite")(), choices_beside(path)
    if not (suite.sweep and beside.exists()):
        return suite
    return dataclasses.replace(suite, choices=json.loads(beside.read_text()))


def choices_beside(path: pathlib.Path) -> pathlib.Path:
    """Returns the file of the choices of a suite's sweep."""
    return path.with_name(f"{path.stem}_chosen.json")


def function(path: pathlib.Path, name: str) -> Callable[..., Any]:
    """Returns a function of a Python file, or of one of this project's files.

    Raises:
      SuiteError: there is no such file, or it has no such function.
    """
    path = pathlib.Path(find_own(str(path)))
    if not path.is_file():
        raise SuiteError(f"{path}: there is no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise SuiteError(f"{path}: it has no {name}()")
    return getattr(module, name)
