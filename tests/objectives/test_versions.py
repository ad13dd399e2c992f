r"""Methods say in a number what they compute, so that results know which are theirs.

`versions.json` records each file that methods are made of. Where one has changed:

    python -m tests.objectives.test_versions

records it, if the version of every method whose results change was raised; or, if
results stay as they were (a comment, a name), with `--same`.
"""

import hashlib
import json
import pathlib
import sys

import pytest

from smile_jax.objectives import OBJECTIVES, SOURCES
from tests.conftest import ROOT

RECORD = pathlib.Path(__file__).with_name("versions.json")
FILES = (
    "objectives/*.py",
    "losses/*.py",
    "core/batch_statistics.py",
    "faces/captions.py",
)


def files_now() -> dict[str, str]:
    """Checksums of the files that methods are made of."""
    package = ROOT / "smile_jax"
    found = {pattern: sorted(package.glob(pattern)) for pattern in FILES}
    assert all(found.values()), found
    paths = sorted(path for some in found.values() for path in some)
    return {
        path.relative_to(package).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()[:16]
        for path in paths
    }


def versions_now() -> dict[str, int]:
    return {n: vars(c)["version"] for n, c in {**OBJECTIVES, **SOURCES}.items()}


def changed(before: dict, files: dict, versions: dict) -> list[str]:
    """Files that changed where no version did."""
    if before["versions"] != versions:
        return []
    names = files.keys() | before["files"].keys()
    return sorted(n for n in names if files.get(n) != before["files"].get(n))


def test_every_method_has_a_version():
    for name, method in {**OBJECTIVES, **SOURCES}.items():
        assert "version" in vars(method), f"{name}: inherits its version"


def test_no_file_changes_without_a_word():
    before = json.loads(RECORD.read_text())
    now = {"files": files_now(), "versions": versions_now()}
    files = changed(before, **now)
    assert not files and before == now, (
        f"{', '.join(files) or 'a version'} changed: {__doc__}"
    )


@pytest.mark.parametrize("raised", [False, True])
def test_a_changed_file_is_seen(raised):
    before = {"files": {"a": "1", "b": "2"}, "versions": {"x": 1}}
    found = changed(before, {"a": "1", "b": "3"}, {"x": 1 + raised})
    assert found == ([] if raised else ["b"])


def record(same: bool) -> None:
    now = {"files": files_now(), "versions": versions_now()}
    if RECORD.exists() and not same:
        before = json.loads(RECORD.read_text())
        if files := changed(before, **now):
            sys.exit(f"{', '.join(files)}: no version was raised; see --same")
        raised = now["versions"].items() - before["versions"].items()
        print(f"raised: {dict(raised)}; all others are taken to compute the same")
    RECORD.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    record("--same" in sys.argv[1:])
