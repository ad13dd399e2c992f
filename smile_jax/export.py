"""Exports a run: `python -m smile_jax.export --workdir=RUN --out=FOLDER`.

Writes safetensors, configs, tokenizer and a model card. The part that CLIP's or
SigLIP's layout can say is in `config.json` and `model.safetensors`, which transformers
and `load_pretrained` read; the rest is in `smile.json` and `smile.safetensors`.
`python -m smile_jax.predict --workdir=FOLDER` takes the whole.
"""

import pathlib
import sys

from absl import app, flags, logging

from smile_jax.evaluation.exported import export
from smile_jax.evaluation.recognizer import Recognizer
from smile_jax.training.checkpoints import CheckpointError

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_OUT = flags.DEFINE_string("out", None, "Folder to write.", required=True)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; flags start with --")
    out = pathlib.Path(_OUT.value)
    try:
        recognizer = Recognizer.of_run(pathlib.Path(_WORKDIR.value))
        written = export(recognizer, pathlib.Path(_WORKDIR.value), out)
    except (ValueError, OSError, CheckpointError) as error:
        logging.debug("traceback", exc_info=True)  # shown with --verbosity=1
        sys.exit(f"error: {error}")
    print(f"wrote {out}: {', '.join(written)}")


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)  # Orbax tells every file at INFO
    app.run(main)
