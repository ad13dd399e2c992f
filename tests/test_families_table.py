"""The table of families left out is made of raw rows alone."""

import numpy as np
import pytest

from smile_jax.experiments import families_table


def rows(method, family, right, *, several=False, seed=0):
    """Of 20 people with 24 clips each."""
    prefix = f"{family}_faces, seed 3: " if several else ""
    return [
        {
            "method": method, "row": "smile", "seed": str(seed),
            "evaluation": "zero_shot", "subject": f"{prefix}S{i:04d}", "clips": "24",
            "right": str(right + i % 3),
        }
        for i in range(20)
    ]  # fmt: skip


@pytest.fixture
def counts():
    told = [
        *rows("all but ict, labels as text", "ict", 12),
        *rows("all but ict, labels as text", "ict", 14, seed=1),
        *rows("all but ict, randomised, labels as text", "ict", 18),
        *rows("vitruvian alone, labels as text", "ict", 6, several=True),
        *rows("vitruvian alone, labels as text", "makehuman", 9, several=True),
        *rows("makehuman alone, labels as text", "ict", 8, several=True),
    ]
    return families_table.counts_of(told, "zero_shot")


def test_scores_are_by_family_and_over_seeds(counts):
    lines = {
        line[0]: line[1:] for line in families_table.scores(counts, "labels as text")
    }
    ict, makehuman = (families_table.FAMILIES.index(x) for x in ("ict", "makehuman"))
    drawn = np.mean([12 + i % 3 for i in range(20)])
    assert lines["all others"][ict].startswith(f"{(drawn + 1) / 24:.3f} ±")
    assert lines["vitruvian alone"][makehuman] == f"{(drawn - 3) / 24:.3f}"
    assert lines["vitruvian alone"][ict] == f"{(drawn - 6) / 24:.3f}"
    assert families_table.scores(counts, "captions") == []


def test_differences_are_with_the_best_single_family(counts):
    lines = {
        line[0]: line[1:]
        for line in families_table.differences(counts, "labels as text")
    }
    ict = families_table.FAMILIES.index("ict")
    assert lines["randomised - plain"][ict].startswith(f"{5 / 24:+.3f}")
    assert lines["plain - best alone"][ict].startswith(f"{5 / 24:+.3f}")
