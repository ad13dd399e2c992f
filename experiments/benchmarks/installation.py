"""Size and seconds of the default installation and of each extra.

    python -m experiments.benchmarks.installation [--extras=,train] [--constraints=FILE]

Builds the wheel and installs it into a fresh environment for each extra, one after
another; prints a Markdown table. Sizes are of the whole environment on the disk, pip
included. Downloads count, so seconds depend on the network and on pip's cache.
"""

import pathlib
import subprocess
import sys
import tempfile
import time
import venv

from absl import flags

from smile_jax.core import command_line

_EXTRAS = flags.DEFINE_list(
    "extras",
    ["", "train", "evaluate", "build", "page", "scanners", "demo", "all"],
    "Extras to install; an empty one is the default installation.",
)
_CONSTRAINTS = flags.DEFINE_string(
    "constraints", "constraints.txt", "Pinned versions; '' takes the newest."
)


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    print("| extra | MB | seconds | packages |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        _pip(sys.executable, "wheel", "--no-deps", f"--wheel-dir={folder}", ".")
        wheel = next(pathlib.Path(folder).glob("*.whl"))
        for extra in _EXTRAS.value:
            megabytes, seconds, packages = measure(wheel, extra)
            name = f"`{extra}`" if extra else "(none)"
            print(f"| {name} | {megabytes} | {seconds:.0f} | {packages} |", flush=True)


def measure(wheel: pathlib.Path, extra: str) -> tuple[int, float, int]:
    """Returns megabytes, seconds and packages of an installation with an extra."""
    pins = [f"--constraint={_CONSTRAINTS.value}"] if _CONSTRAINTS.value else []
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = f"{folder}/bin/python"
        started = time.perf_counter()
        _pip(python, "install", *pins, f"{wheel}[{extra}]" if extra else str(wheel))
        seconds = time.perf_counter() - started
        used = subprocess.check_output(["du", "-sm", folder], text=True)
        listed = subprocess.check_output(
            [python, "-m", "pip", "list", "--format=freeze"], text=True
        )
        return int(used.split()[0]), seconds, len(listed.splitlines())


def _pip(python: str, *words: str) -> None:
    subprocess.run([python, "-m", "pip", "--quiet", *words], check=True)


if __name__ == "__main__":
    command_line.run(main)
