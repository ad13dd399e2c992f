"""How the package imports, and what may import what."""

import ast
import configparser
import pathlib
import re
import subprocess
import sys

from smile_jax.__main__ import commands, summary
from smile_jax.core.extras import EXTRA_OF
from smile_jax.mesh.writers import write_ply
from tests.conftest import ROOT
from tests.faces.heads import performed

# From what imports nothing of the others to what imports them.
LAYERS = (
    "core",
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
    "browser",
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


def test_commands_alone_lie_at_the_top_and_none_imports_another():
    package = ROOT / "smile_jax"
    assert {p.parent.name for p in package.glob("*/__init__.py")} == set(LAYERS)
    names = commands()
    for name in names:
        path = package / f"{name}.py"
        text = path.read_text()
        assert "def main(" in text and 'if __name__ == "__main__":' in text, path
        others = {f"smile_jax.{other}" for other in names} - {f"smile_jax.{name}"}
        assert not others & imported_modules(path), path


def test_the_console_command_is_python_m():
    """One mechanism: the module runs as __main__, under its own flags."""
    for way in (["-m", "smile_jax", "folds"], ["-m", "smile_jax.folds"]):
        done = subprocess.run(
            [sys.executable, *way, "--outt=x"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr.startswith("error: Unknown command line flag 'outt'")


def test_the_console_command_lists_what_there_is():
    command = [sys.executable, "-m", "smile_jax"]
    listed = subprocess.run(
        [*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in commands():
        words = summary(name)
        assert re.search(rf"^  {name} +{re.escape(words)}$", listed, re.M), name
    wrong = subprocess.run(
        [*command, "trian"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: trian: no such command; there are aot, ")


def test_the_wheel_carries_every_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    there = {p.parent.relative_to(ROOT) for p in ROOT.glob("smile_jax/**/__init__.py")}
    found = {".".join(folder.parts) for folder in there} | {"smile_jax.tfds_builders"}
    for name in ("experiments", "tfds_builders"):
        inner = (p.parent for p in (ROOT / name).glob("**/__init__.py"))
        found |= {".".join(("smile_jax", *p.relative_to(ROOT).parts)) for p in inner}
    assert listed == found


def test_only_the_config_package_knows_configdict():
    """Commands hand typed configs on."""
    for path in (ROOT / "smile_jax").rglob("*.py"):
        if path.parent.name != "config":
            assert "ConfigDict" not in path.read_text(), path


def test_a_typo_needs_no_heavy_imports():
    code = (
        "import sys; import smile_jax.train, smile_jax.config.validate;"
        "from smile_jax.core.extras import EXTRA_OF;"
        "heavy = {'orbax', *EXTRA_OF} - {'cloudpickle'};"
        "heavy &= set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_prediction_imports_nothing_of_the_extras(plain_run, tmp_path):
    """Nor does what it takes to render, to export and to read an export."""
    write_ply(tmp_path / "scan.ply", performed("happy")[0])
    code = (
        "import sys, pathlib, smile_jax;"
        "from smile_jax.core.extras import EXTRA_OF;"
        "from smile_jax.inference.model_folder import export;"
        f"run, desk = {str(plain_run)!r}, pathlib.Path({str(tmp_path)!r});"
        "model = smile_jax.load(run);"
        "assert model.predict(desk / 'scan.ply').is_face;"
        "smile_jax.render_views(smile_jax.read_mesh(desk / 'scan.ply'), (0,), 16);"
        "export(model, pathlib.Path(run), desk / 'exported');"
        "assert smile_jax.load(desk / 'exported').predict(desk / 'scan.ply').is_face;"
        # JAX takes cloudpickle where it is installed.
        "heavy = (set(EXTRA_OF) - {'cloudpickle'}) & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_every_module_of_an_extra_is_declared():
    """In setup.cfg, by the extra that messages name."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    names = {
        "sklearn": "scikit-learn",
        "skimage": "scikit-image",
        "tensorflow": "tensorflow-cpu",
    }
    for module, extra in EXTRA_OF.items():
        wanted = names.get(module, module).replace("_", "-")
        listed = config["options.extras_require"][extra].replace("_", "-")
        assert re.search(rf"^{re.escape(wanted)}\b", listed, re.M), module


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
