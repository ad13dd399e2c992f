"""How the package imports, and what may import what."""

import ast
import pathlib
import subprocess
import sys

from tests.conftest import ROOT


def imported_modules(path: pathlib.Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_the_package_and_the_mesh_world_import_lightly():
    code = (
        "import sys, smile_jax; assert 'jax' not in sys.modules;"
        "import smile_jax.mesh, smile_jax.faces;"
        "assert not {'jax', 'tensorflow', 'trimesh'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_imports_run_downward():
    layers = ["mesh", "faces", "losses", "models", "data", "training", "evaluation"]
    allowed = {
        "training": {"evaluation.protocols"},
        "data": set(),
        "models": {"losses"},
    }
    for i, layer in enumerate(layers):
        for path in (ROOT / "smile_jax" / layer).glob("*.py"):
            for name in imported_modules(path):
                for upper in layers[i + 1 :]:
                    above = name.startswith(f"smile_jax.{upper}")
                    ok = name.removeprefix("smile_jax.") in allowed.get(layer, set())
                    assert not above or ok, f"{path} imports {name}"


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
        assert not calls & {"lax.psum", "lax.pmean", "lax.all_gather"}, path
