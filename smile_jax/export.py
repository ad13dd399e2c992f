"""Exports a run as a folder to publish.

    smile-jax export --workdir=RUN --out=FOLDER

Writes safetensors, configs, tokenizer and a model card. The part that CLIP's or
SigLIP's layout can say is in `config.json` and `model.safetensors`, which transformers
and `load_pretrained` read; the rest is in `smile.json` and `smile.safetensors`.
`smile-jax predict --workdir=FOLDER` takes the whole.
"""

import pathlib

from absl import flags

from smile_jax.core import command_line
from smile_jax.inference.model_folder import export
from smile_jax.inference.recognizer import Recognizer

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_OUT = flags.DEFINE_string("out", None, "Folder to write.", required=True)


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    out = pathlib.Path(_OUT.value)
    recognizer = Recognizer.of_run(pathlib.Path(_WORKDIR.value))
    written = export(recognizer, pathlib.Path(_WORKDIR.value), out)
    print(f"wrote {out}: {', '.join(written)}")


if __name__ == "__main__":
    command_line.run(main)
