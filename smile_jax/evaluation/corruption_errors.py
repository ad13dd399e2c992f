"""Errors on worse scans, relative to those of a baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smile_jax.evaluation.tables import markdown
from smile_jax.faces.scan_faults import FAULTS


def table(
    rows: Sequence[Mapping[str, Any]],
    methods: Sequence[str],
    baseline: str = "pixels_pca",
) -> str:
    """Writes corruption errors as Markdown.

    For each fault the mean error over its strengths and, in brackets, its ratio to the
    baseline's; last the mean of these ratios, the mean corruption error of Hendrycks
    and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations", 2019.

    Args:
      rows: "accuracy" of each "method" by each "fault" of `FAULTS` at each strength,
        and by "none".
      methods: columns; among them the baseline.
      baseline: method.
    """
    errors = {
        (kind, method): 1 - float(np.mean(_accuracies(rows, kind, method)))
        for kind in ("none", *FAULTS)
        for method in methods
    }
    base = {kind: max(errors[kind, baseline], 1e-9) for kind in FAULTS}
    ratios = {m: [errors[kind, m] / base[kind] for kind in FAULTS] for m in methods}
    lines = [["accuracy without", *(f"{1 - errors['none', m]:.3f}" for m in methods)]]
    for i, kind in enumerate(FAULTS):
        cells = [f"{errors[kind, m]:.3f} ({ratios[m][i]:.2f})" for m in methods]
        lines.append([kind, *cells])
    means = [f"{np.mean(ratios[m]):.2f}" for m in methods]
    lines.append(["mean of the ratios", *means])
    return markdown(["fault: error (to pixels)", *methods], lines)


def _accuracies(
    rows: Sequence[Mapping[str, Any]], kind: str, method: str
) -> list[float]:
    return [
        float(r["accuracy"])
        for r in rows
        if (r["fault"], r["method"]) == (kind, method)
    ]
