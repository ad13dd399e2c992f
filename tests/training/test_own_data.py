"""The README's way from a folder of meshes to an exported model, made smaller."""

import pytest

from smile_jax.mesh.writers import write_ply
from tests.conftest import run_module
from tests.faces.heads import performed
from tests.training.common import SHRUNK


@pytest.mark.slow
def test_from_a_folder_of_meshes_to_an_exported_model(tmp_path):
    for number in range(10):
        for expression in ("happy", "sad"):
            path = tmp_path / "scans" / f"p{number}" / f"{expression}.ply"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_ply(path, performed(expression, seed=number)[0])

    def command(name, *flags):
        done = run_module(f"smile_jax.{name}", *flags)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    data, run = tmp_path / "data", f"--workdir={tmp_path / 'run'}"
    folder = f"--manual_dir={tmp_path / 'scans'}"
    assert "built 20" in command("build", "mesh_folder", folder, f"--data_dir={data}")
    small = SHRUNK | {"train.steps": 2, "train.epochs": 0, "train.batch_size": 4}
    command(
        "train",
        "--config=demo",
        run,
        f"--config.data.dir={data / 'mesh_folder' / 'mine'}",
        "--config.data.classes=('happy', 'sad')",
        *(f"--config.{key}={value}" for key, value in small.items()),
    )
    assert "linear_probe" in command("evaluate", run)
    assert "wrote" in command("export", run, f"--out={tmp_path / 'exported'}")
