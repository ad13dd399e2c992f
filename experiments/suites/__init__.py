"""Suites: a file for each comparison (docs/evaluation.md)."""

import dataclasses
from collections.abc import Sequence

from smile_jax.evaluation.suite_definition import Suite


def with_fewer_people(
    suite: Suite, people: int, *, draws: int, methods: Sequence[str]
) -> Suite:
    """Returns a suite with variants of methods on fewer people, "method, people, n".

    Each n draws other people, and puts them into other folds.
    """
    fewer = {
        f"{name}, {people}, {n}": (name, {"data.people": people, "data.fold_seed": n})
        for name in methods
        for n in range(draws)
    }
    variants = {
        name: {**suite.methods[of], **keys} for name, (of, keys) in fewer.items()
    }
    chosen_as = {name: of for name, (of, _) in fewer.items()}
    return dataclasses.replace(
        suite,
        methods={**suite.methods, **variants},
        chosen_as={**suite.chosen_as, **chosen_as},
    )
