r"""`ict_static` with the frozen text tower of all-MiniLM-L6-v2: zero-shot in any words.

    tfds build tfds_builders/ict_faces --config=static --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax train --config=experiments/ict_minilm.py \
        --workdir=runs/ict_minilm
    smile-jax evaluate --workdir=runs/ict_minilm \
        --prompts=experiments/prompts_reworded.yaml

On two CPU cores, beside much other work: 11 minutes of training. 20 held-out people,
one fold; 24 of 100 identity modes; the same pixels as of `static`, built as
`static_captions`. Scores with other settings: experiments/suites/ict_methods.py; of
these they have not been measured since probes were mended (experiments/results.md).
Without labels: experiments/ict_captions.py.

Without a network: --config.model.pretrained_text=FOLDER of config.json,
model.safetensors and the tokenizer's files.
"""

from smile_jax.experiments import ict_static


def get_config():
    """Returns the experiment's config."""
    c = ict_static.get_config()
    c.model.pretrained_text = "sentence-transformers/all-MiniLM-L6-v2"
    return c
