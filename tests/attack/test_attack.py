"""Every case that was ever found, and some damage of each kind in every run."""

import pathlib
import random

import pytest

from tests.attack.mutate import damaged
from tests.attack.readers import judge
from tests.attack.runs import flip_bits
from tests.attack.samples import READERS

CORPUS = pathlib.Path(__file__).parent / "corpus"
CASES = [(case.parent.name, case) for case in sorted(CORPUS.glob("*/*"))]


def good_sample(kind, tmp_path):
    """A file that was read: what is imported and compiled then does not count."""
    folder = tmp_path / "case"
    folder.mkdir()
    READERS[kind].write(folder)
    path = folder / READERS[kind].name
    READERS[kind].read(path)
    return path


@pytest.mark.parametrize("kind, case", CASES, ids=[f"{k}-{c.name}" for k, c in CASES])
def test_what_was_found_is_mended(kind, case, tmp_path):
    path = good_sample(kind, tmp_path)
    path.write_bytes(case.read_bytes())
    _, finding, said = judge(READERS[kind], path)
    assert not finding, f"{finding}: {said}"


@pytest.mark.parametrize("kind", READERS)
def test_damage_is_refused_or_harmless(kind, tmp_path):
    reader, rng = READERS[kind], random.Random(0)
    path = good_sample(kind, tmp_path)
    content = path.read_bytes()
    refused = 0
    for _ in range(100):
        path.write_bytes(damaged(content, reader.tokens, rng))
        was_refused, finding, said = judge(reader, path)
        assert not finding, f"{finding}: {said}"
        refused += was_refused
    assert refused > 20 or kind == "mtl"  # materials may be anything


def test_flipped_bits_are_counted(tmp_path):
    """By readers that see all, half and nothing of what they read."""
    path = tmp_path / "x"
    path.write_bytes(bytes(range(200)))

    def refuses():
        if path.read_bytes() != bytes(range(200)):
            raise ValueError

    for read, said in (
        (refuses, "refused"),
        (lambda: 1, "harmless"),
        (path.read_bytes, "silent"),
    ):
        assert flip_bits([path], read, 5, random.Random(0))[said] == 5
    assert path.read_bytes() == bytes(range(200))
