"""How the package imports, and what may import what."""

import ast
import pathlib
import subprocess
import sys

from tests.conftest import ROOT

# From what imports nothing of the others to what imports them.
LAYERS = (
    "errors",
    "files",
    "workers",
    "hostmemory",
    "cache",
    "commands",
    "parallel",
    "stats",
    "pytree",
    "flops",
    "mesh",
    "faces",
    "losses",
    "models",
    "landmarking",
    "objectives",
    "data",
    "config",
    "training",
    "inference",
    "evaluation",
    "cost",
    "train",
    "evaluate",
    "spot",
    "benchmark",
    "predict",
    "demo",
    "export",
    "aot",
)


def imported_modules(path: pathlib.Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_package_and_the_mesh_world_import_lightly():
    code = (
        "import sys, smile_jax; assert 'jax' not in sys.modules;"
        "import smile_jax.mesh, smile_jax.faces;"
        "assert not {'jax', 'tensorflow', 'trimesh'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_imports_run_downward():
    package = ROOT / "smile_jax"
    for i, layer in enumerate(LAYERS):
        found = package / layer
        paths = [*found.rglob("*.py")] or [found.with_suffix(".py")]
        above = [f"smile_jax.{upper}" for upper in LAYERS[i + 1 :]]
        for path in paths:
            for name in imported_modules(path):
                wrong = [u for u in above if name == u or name.startswith(f"{u}.")]
                assert not wrong, f"{path} imports {name}"


def test_every_module_has_its_layer():
    package = ROOT / "smile_jax"
    found = {p.stem for p in package.glob("[a-z]*.py")}
    found |= {p.parent.name for p in package.glob("*/__init__.py")}
    commands = {"build", "folds", "render", "sweep", "verify"}
    assert found - set(LAYERS) == commands


def test_only_the_config_package_knows_configdict():
    """Commands hand typed configs on."""
    for path in (ROOT / "smile_jax").rglob("*.py"):
        if path.parent.name != "config":
            assert "ConfigDict" not in path.read_text(), path


def test_a_typo_needs_no_heavy_imports():
    code = (
        "import sys; import smile_jax.train, smile_jax.config.validate;"
        "heavy = {'grain', 'orbax', 'tensorflow', 'tensorflow_datasets', 'sklearn',"
        "'transformers', 'matplotlib', 'tensorboardX'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_parallel_spells_pmap_and_collectives():
    for path in (ROOT / "smile_jax").rglob("*.py"):
        if path.name == "parallel.py":
            continue
        tree = ast.parse(path.read_text())
        attributes = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        calls = {
            n.func.value.attr + "." + n.func.attr
            for n in ast.walk(tree)
            if isinstance(n, ast.Call)
            and isinstance(n.func, ast.Attribute)
            and isinstance(n.func.value, ast.Attribute)
        }
        assert "pmap" not in attributes, path
        collectives = ("psum", "pmean", "pmax", "all_gather", "psum_scatter")
        assert not calls & {f"lax.{name}" for name in collectives}, path
