"""Compares pretrained weights with transformers' PyTorch model.

    smile-jax verify NAME_OR_DIR

Loads them here and in transformers' PyTorch model, compares features, logits, gradients
and token ids on random inputs, and prints one JSON line. Exits with 1 over tolerance,
with 2 where PyTorch is not installed, since nothing was compared then.
"""

import json
import sys

from absl import flags

from smile_jax.core import command_line
from smile_jax.models import load_pretrained
from smile_jax.models.pretrained import parity

_DTYPE = flags.DEFINE_enum(
    "dtype", "float32", ("float32", "bfloat16"), "Dtype of our activations."
)
_TOLERANCE = flags.DEFINE_float(
    "tolerance",
    None,
    "Largest relative error; by default 1e-4 for float32, 0.1 for bfloat16.",
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the random inputs.")


def main(argv: list[str]) -> None:
    """Runs the command."""
    model = command_line.one_word(argv, "one model: a folder or a hub name")
    if not parity.torch_installed():
        towers, _, _ = load_pretrained(model)
        line = {"family": towers.config.family, "compared": False}
        print(json.dumps(line))
        print(
            "the weights load, but PyTorch is not installed, so nothing was compared; "
            "`pip install torch` and try again",
            file=sys.stderr,
        )
        sys.exit(2)
    found = parity.compare(model, dtype=_DTYPE.value, seed=_SEED.value)
    tolerance = _TOLERANCE.value
    if tolerance is None:
        tolerance = 1e-4 if _DTYPE.value == "float32" else 0.1
    print(
        json.dumps(
            {
                "family": found.family,
                "compared": True,
                "image_rel_err": found.image,
                "text_rel_err": found.text,
                "logits_rel_err": found.logits,
                "grad_rel_err": found.gradient,
                "tokenizer_equal": found.tokenizer_equal,
                "dtype": _DTYPE.value,
                "tolerance": tolerance,
            }
        )
    )
    if not found.within(tolerance):
        sys.exit(f"error: over the tolerance of {tolerance:g}")


if __name__ == "__main__":
    command_line.run(main)
