"""Evaluates a trained run.

    smile-jax evaluate --workdir=DIR [--protocol=holdout]

`--protocol=validation` tests on the people of `data.validation_fold`, as one does to
choose settings; it writes into `DIR/validation`.

`--prompts=FILE` adds zero-shot scores in other words (docs/text.md).

`--protocol=cross --test_data=DATASET` tests on all people of another dataset.

`--only=knn` takes that evaluation beside the linear probe and no other; may be
repeated. It writes into `DIR/eval_knn`.

`--set=pca_components=512` changes a key of `config.evaluation`.

Writes `results.json`, `predictions.csv` and `report.html` into `DIR/eval`; after a
whole "holdout", with views and parameters as the run's own, also
`DIR/known.safetensors`, by which `predict` tells what is no face.
"""

import pathlib

from absl import flags

from smile_jax.core import command_line, extras
from smile_jax.evaluation.protocols import PROTOCOLS, results_folder

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run, or of its fold_<i> runs.", required=True
)
_PROMPTS = flags.DEFINE_multi_string(
    "prompts",
    [],
    "Also score zero-shot with the prompts of this YAML file; may be repeated.",
)
_PROTOCOL = flags.DEFINE_enum("protocol", "holdout", PROTOCOLS, "Evaluation protocol.")
_BASELINES = flags.DEFINE_bool("baselines", True, "Evaluate the baselines, too.")
_TEST_DATA = flags.DEFINE_string(
    "test_data",
    "",
    "Dataset to test on with --protocol=cross, <data_dir>/<name>/<config>; several "
    "joined by ' + ' are tested together.",
)
_ONLY = flags.DEFINE_multi_string(
    "only", [], "Run this evaluation and the linear probe only; may be repeated."
)
_SETTINGS = flags.DEFINE_multi_string(
    "set", [], "KEY=VALUE changes a key of config.evaluation; may be repeated."
)


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    extras.require("evaluation", "evaluate")
    workdir = pathlib.Path(_WORKDIR.value)
    command_line.before_jax()
    from smile_jax.evaluation import report
    from smile_jax.evaluation.fold_loop import evaluate
    from smile_jax.evaluation.results import table, write_results

    settings = command_line.key_values(_SETTINGS.value)
    test_data = _TEST_DATA.value
    results = evaluate(
        workdir,
        _PROTOCOL.value,
        _PROMPTS.value,
        settings,
        test_data,
        baselines=_BASELINES.value,
        only=_ONLY.value,
    )
    folder = results_folder(workdir, _PROTOCOL.value, _ONLY.value)
    write_results(results, folder)
    if results["known"]:
        results["known"].save(workdir)
    report.write(results, workdir, folder / "report.html")
    print(table(results))
    print(f"wrote results.json, predictions.csv and report.html into {folder}")


if __name__ == "__main__":
    command_line.run(main)
