"""What is left of answers when scans are worse."""

from smile_jax.evaluation.corruption_errors import table
from smile_jax.faces.scan_faults import FAULTS, STRENGTHS


def test_errors_are_relative_to_those_of_pixels():
    """By hand: half as many errors as pixels make, of each fault."""

    def rows(method, without, light, others):
        yield {"fault": "none", "strength": 0, "method": method, "accuracy": without}
        for kind in FAULTS:
            scores = light if kind == "light" else [others] * len(STRENGTHS)
            for strength, accuracy in zip(STRENGTHS, scores, strict=True):
                yield {"fault": kind, "strength": strength, "method": method,
                       "accuracy": accuracy}  # fmt: skip

    found = [
        *rows("pixels_pca", 0.8, [0.8, 0.7, 0.6, 0.5, 0.4], 0.5),
        *rows("ours", 0.9, [0.9, 0.9, 0.8, 0.8, 0.6], 0.75),
    ]
    lines = table(found, ["pixels_pca", "ours"]).splitlines()
    assert lines[2] == "| accuracy without | 0.800 | 0.900 |"
    assert "| light | 0.400 (1.00) | 0.200 (0.50) |" in lines
    assert "| glasses | 0.500 (1.00) | 0.250 (0.50) |" in lines
    assert lines[-1] == "| mean of the ratios | 1.00 | 0.50 |"
    assert len(lines) == 4 + len(FAULTS)
