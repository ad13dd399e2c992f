r"""`ict_static` with the frozen text tower of all-MiniLM-L6-v2: zero-shot in any words.

    tfds build tfds_builders/ict_faces --config=static --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    python -m smile_jax.train --config=experiments/ict_minilm.py \
        --workdir=runs/ict_minilm
    python -m smile_jax.evaluate --workdir=runs/ict_minilm \
        --prompts=experiments/prompts_reworded.yaml

On two CPU cores, beside much other work: 11 minutes of training; zero-shot 0.948 on 20
held-out people, 0.944 in the reworded prompts, none of which was seen in training;
linear probe 0.942, 10-NN 0.940; random_init 0.440, pixels_pca 0.740 (linear probes). 24
of 100 identity modes, one seed, one fold; the same pixels as of `static`, built as
`static_captions`. Without labels: experiments/ict_captions.py.

Without a network: --config.model.pretrained_text=FOLDER of config.json,
model.safetensors and the tokenizer's files.
"""

from experiments import ict_static


def get_config():
    c = ict_static.get_config()
    c.model.pretrained_text = "sentence-transformers/all-MiniLM-L6-v2"
    return c
