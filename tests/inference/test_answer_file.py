"""Answers of long work are kept as they come; what cannot be written is said first."""

import csv
import os
import sys

import numpy as np
import pytest

from smile_jax import predict
from smile_jax.inference.answer_file import AnswerFile
from smile_jax.inference.recognizer import Recognizer
from smile_jax.mesh.writers import write_ply
from tests.faces.heads import performed
from tests.inference.test_prediction import prediction
from tests.inference.test_timeline import timeline

ASKED = {"prompts": ["smile", "$x"], "head": "zero_shot"}


def test_answers_are_kept_and_gone_on_with(tmp_path):
    table = tmp_path / "answers.csv"
    file = AnswerFile.beside(table, ASKED, arrays=True)
    clip = prediction("clip", frames=4, timeline=timeline())
    file.add("clip", clip)
    file.add("b.ply", prediction("b.ply"))
    with file.path.open("a") as half:
        half.write('{"name": "c.p')  # killed while it wrote
    with pytest.raises(ValueError, match=r"answers\.csv\.part: 2 answers .* --resume"):
        AnswerFile.beside(table, ASKED, arrays=True)
    again = AnswerFile.beside(table, ASKED, arrays=True, resume=True)
    assert again.has("clip") and again.has("b.ply") and not again.has("c.ply")
    again.add("c.ply", prediction("c.ply"))
    names = ["b.ply", "c.ply", "clip", "never.ply"]
    assert [row["file"] for row in again.rows(names)] == names[:3]
    (found,) = again.timelines(names).values()
    np.testing.assert_array_equal(found.probabilities, timeline().probabilities)
    assert found.prompts == timeline().prompts and found.seconds
    features = again.features(names)
    assert features["names"].tolist() == names[:3]
    np.testing.assert_array_equal(features["embedding"][0], clip.embedding)
    assert features["views"].shape == (3, 2, 4)
    other = ASKED | {"prompts": ["a frown"]}
    with pytest.raises(ValueError, match=r"begun with another prompts"):
        AnswerFile.beside(table, other, arrays=True, resume=True)
    again.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["[1]", "{", '{"name": "a"}'])
def test_a_damaged_file_is_named(tmp_path, line):
    file = AnswerFile.beside(tmp_path / "answers.csv", ASKED)
    with file.path.open("a") as half:
        half.write(f"{line}\n")
    with pytest.raises(ValueError, match=r"answers\.csv\.part: line 2 is damaged"):
        AnswerFile.beside(tmp_path / "answers.csv", ASKED, resume=True)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    for i, mesh in enumerate(performed("happy", 4, seed=2)):
        write_ply(folder / f"{i}.ply", mesh)
    name = os.fsencode(folder) + b"/n\xe4me.ply"  # no UTF-8
    with open(name, "wb") as file:
        file.write((folder / "0.ply").read_bytes())
    return folder


@pytest.fixture
def command(monkeypatch, plain_run, scans):
    def call(*flags, files=(str(scans), "--each")):
        words = ["predict", f"--workdir={plain_run}", *files, *flags]
        monkeypatch.setattr(sys, "argv", words)
        return predict._run(predict._arguments())

    return call


def test_a_killed_command_goes_on(command, scans, tmp_path, monkeypatch, capfd):
    whole, killed = tmp_path / "whole.csv", tmp_path / "killed.csv"
    assert command(f"--out={whole}") == 0
    real, seen = Recognizer.answers, []

    def dies_after_two(self, clips, *more, **keys):
        for i, pair in enumerate(real(self, clips, *more, **keys)):
            if i == 2:
                raise KeyboardInterrupt
            yield pair

    monkeypatch.setattr(Recognizer, "answers", dies_after_two)
    with pytest.raises(KeyboardInterrupt):
        command(f"--out={killed}", "--batch_size=1")
    assert not killed.exists()

    def counts(self, clips, *more, **keys):
        seen.extend(clips)
        return real(self, clips, *more, **keys)

    monkeypatch.setattr(Recognizer, "answers", counts)
    with pytest.raises(ValueError, match="2 answers of work that did not end"):
        command(f"--out={killed}")
    assert command(f"--out={killed}", "--resume") == 0
    assert len(seen) == 3 and "2 of 5 are answered" in capfd.readouterr().err
    tables = [
        list(csv.DictReader(path.read_text().splitlines())) for path in (whole, killed)
    ]
    assert [row["file"] for row in tables[0]] == [row["file"] for row in tables[1]]
    assert tables[0][-1]["file"].endswith("n\\xe4me.ply")
    for one, other in zip(*tables, strict=True):
        assert one["prediction"] == other["prediction"]
        assert float(one["happy"]) == pytest.approx(float(other["happy"]), abs=2e-4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed.csv", "whole.csv"]


def test_rows_come_as_they_are_answered(command, monkeypatch, capfd):
    real = Recognizer.answers

    def dies(self, *more, **keys):
        yield next(real(self, *more, **keys))
        raise KeyboardInterrupt

    monkeypatch.setattr(Recognizer, "answers", dies)
    with pytest.raises(KeyboardInterrupt):
        command("--batch_size=1")
    assert len(capfd.readouterr().out.splitlines()) == 2  # its head and one answer


@pytest.mark.parametrize(
    "flag, said",
    [
        ("--out={tmp}/x.txt", r"x\.txt: name a file of \.csv"),
        ("--out={tmp}/file/x.csv", r"file/x\.csv: nothing can be written there"),
        ("--timeline={tmp}/x.png", r"x\.png: name a file of \.csv"),
        ("--plot={tmp}/x.csv", r"x\.csv: name a file of \.png"),
        ("--embeddings={tmp}/x.npy", r"x\.npy: name a file of \.npz"),
        ("--embeddings={tmp}/file/x.npz", "nothing can be written there"),
        ("--resume", "name it with --out"),
        ("--out={tmp}/x.csv --timeline={tmp}/x.csv", "two outputs have this name"),
    ],
)
def test_outputs_are_checked_before_anything_is_answered(
    command, tmp_path, flag, said, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(Recognizer, "load", lambda _: pytest.fail("it was loaded"))
    with pytest.raises(ValueError, match=said):
        command(*flag.format(tmp=tmp_path).split())
