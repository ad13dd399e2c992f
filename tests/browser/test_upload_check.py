"""Uploaded files are parsed in a process of their own, with limits."""

import pytest

from smile_jax.browser import upload_check
from smile_jax.mesh import MeshError
from smile_jax.mesh.writers import write_ply
from tests.mesh.shapes import sphere


def test_good_files_pass_and_broken_ones_are_named(tmp_path):
    write_ply(tmp_path / "a.ply", sphere(n=20))
    upload_check.check_files([tmp_path / "a.ply"])
    (tmp_path / "b.ply").write_text("ply\n")
    with pytest.raises(MeshError, match=r"^b\.ply: byte"):
        upload_check.check_files([tmp_path / "a.ply", tmp_path / "b.ply"])


def test_limits(tmp_path, monkeypatch):
    with pytest.raises(MeshError, match="0 files"):
        upload_check.check_files([])
    path = tmp_path / "a.ply"
    write_ply(path, sphere(n=60))
    with pytest.raises(MeshError, match=r"a\.ply: .* not within 0\.01 seconds"):
        upload_check.check_files([path], seconds=0.01)
    with pytest.raises(MeshError, match=r"a\.ply: .* memory"):
        upload_check.check_files([path], memory=1 << 20, seconds=20)
    monkeypatch.setattr(upload_check, "LARGEST_BYTES", 1000)
    with pytest.raises(MeshError, match=r"a\.ply: 0 MB; at most"):
        upload_check.check_files([path])
