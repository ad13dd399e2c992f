"""Builds a dataset from mesh files.

    smile-jax build mesh_folder --manual_dir=FOLDER [--config=NAME_OR_JSON]

The builders are those of `tfds build`, by name or folder; the dataset is the same.
Before anything is rendered it says what it found, and how long it will take; --dry_run
ends there, and --dry_run=all reads and renders everything, writes nothing, lists every
bad file and ends as the build would. Without --config, `mesh_folder` looks at the
folder and fills in how its paths are to be read, classes, channels and unit, and says
so; other builders list their configs. `"channels": "auto"` in a JSON config leaves
texture out where there is none.
"""

import dataclasses
import json
import os
import pathlib
import sys
from typing import Any

from absl import flags, logging

from smile_jax.core import command_line, extras
from smile_jax.core.own_files import own_folder

_MANUAL = flags.DEFINE_string(
    "manual_dir", "", "Folder with the files as they were delivered."
)
_DATA = flags.DEFINE_string("data_dir", "data", "Folder for built datasets.")
_CONFIG = flags.DEFINE_string(
    "config", "", "Name of a builder's config, or a config in JSON."
)
_DRY_RUNS = ("", "sample", "all")


class _DryRun(flags.ArgumentParser):
    """--dry_run alone looks at a sample; --dry_run=all reads everything."""

    syntactic_help = "sample or all"

    def parse(self, argument: str | bool) -> str:
        text = str(argument).lower()
        found = {"true": "sample", "false": ""}.get(text, text)
        if found not in _DRY_RUNS:
            raise ValueError(f"must be one of {', '.join(_DRY_RUNS[1:])}")
        return found

    def flag_type(self) -> str:
        return "sample or all"


_DRY: flags.FlagHolder[str] = flags.DEFINE_flag(
    flags.Flag(
        _DryRun(),
        None,
        "dry_run",
        "",
        "Only say what would be built, by a sample; =all reads and renders everything, "
        "lists every bad file, and ends as the build would.",
        boolean=True,
    )
)


def main(argv: list[str]) -> None:
    """Runs the command."""
    extras.require("building a dataset", "build")
    folder = _builder_folder(command_line.one_word(argv, "one builder, such as bu3dfe"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # What TFDS warns of (that a config is one's own) is no news to who gave it.
    ours = str(pathlib.Path(__file__).parent)
    logging.get_absl_logger().addFilter(lambda line: line.pathname.startswith(ours))
    from smile_jax.data.build_plan import plan_of

    builder_class = _class_of(folder)
    config = _config_of(builder_class, folder.name)
    builder = builder_class(
        data_dir=_DATA.value, config=config, file_format="array_record"
    )
    options = _options()
    if _DRY.value:
        sequences = builder.sequences(_ManualDownloads(_MANUAL.value))
        print("\n".join(plan_of(sequences, config)), flush=True)
        report = builder.try_all(sequences) if _DRY.value == "all" else None
        lines = report.lines("would write", None) if report else builder.unknown_files()
        print("\n".join(lines))
        if report:
            report.check()
        return
    builder.download_and_prepare(download_config=options)
    where = pathlib.Path(str(builder.data_path)).parent
    print(f"built {builder.info.splits['train'].num_examples} examples: {where}")


@dataclasses.dataclass
class _ManualDownloads:
    """Stands in for TFDS' download manager."""

    _manual_dir: str

    @property
    def manual_dir(self) -> pathlib.Path:
        return pathlib.Path(self._manual_dir)


def _options() -> Any:
    import tensorflow_datasets as tfds

    return tfds.download.DownloadConfig(manual_dir=_MANUAL.value or None)


def _builder_folder(name: str) -> pathlib.Path:
    """Returns the folder of one of this project's builders, or of any other."""
    own = own_folder("tfds_builders")
    for folder in (pathlib.Path(name), own / name):
        if (folder / f"{folder.name}_dataset_builder.py").is_file():
            return folder.resolve()
    known = ", ".join(
        sorted(p.name for p in own.iterdir() if (p / "README.md").exists())
    )
    raise ValueError(f"{name}: no builder; there are {known}, or name a folder")


def _class_of(folder: pathlib.Path) -> Any:
    import tensorflow_datasets as tfds

    sys.path.insert(0, str(folder.parent))
    module = f"{folder.name}.{folder.name}_dataset_builder"
    return tfds.core.community.builder_cls_from_module(module)


def _config_of(builder_class: Any, name: str) -> Any:
    configs = {config.name: config for config in builder_class.BUILDER_CONFIGS}
    given = _CONFIG.value
    if given in configs:
        return configs[given]
    if given and not given.startswith("{"):
        raise ValueError(
            f"--config={given}: {name} has {', '.join(configs)}; or give JSON"
        )
    kind = type(next(iter(configs.values())))
    suggest = getattr(builder_class, "suggest", None)
    if not given and suggest is None:
        raise ValueError(f"name a --config of {name}: {', '.join(configs)}")
    try:
        fields = json.loads(given or "{}")
    except json.JSONDecodeError as error:
        raise ValueError(f"--config: no JSON: {error}") from error
    if suggest is not None:
        fields, said = suggest(pathlib.Path(_MANUAL.value), fields)
        for line in said:
            print(line)
    elif fields.get("channels") == "auto":
        raise ValueError('--config: "channels": "auto" is for mesh_folder; name them')
    known = {field.name for field in dataclasses.fields(kind)} | {"name"}
    wrong = sorted(set(fields) - known)
    if wrong:
        raise ValueError(f"--config: {', '.join(wrong)}: no key of {kind.__name__}")
    return kind(**{"name": "mine"} | fields)


if __name__ == "__main__":
    command_line.run(main)
