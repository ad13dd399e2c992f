r"""ICT-FaceKit's scan-derived heads at 64 pixels, on two CPU cores.

    tfds build tfds_builders/ict_faces --config=static --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    python -m smile_jax.train --config=experiments/ict_static.py \
        --workdir=runs/ict_static
    python -m smile_jax.evaluate --workdir=runs/ict_static

With 24 of the 100 identity modes, as measured on two CPU cores that did other work
besides: 20 minutes of training. 20 held-out people, six expressions, chance 0.167.
Linear probe 0.927, zero-shot 0.929; random_init 0.442, pixels_pca 0.765 (linear
probes). One seed, one fold; rounding alone moves them by 0.02. In words that it was not
trained with, zero-shot fell to 0.204 before heads were framed by their faces: see
experiments/ict_minilm.py. Of these numbers experiments/results.md says of which code.
"""

from experiments import demo


def get_config():
    c = demo.get_config()
    c.data.dir = "data/ict_faces/static"
    c.data.fold = 0  # no choice of the model was made on these faces
    c.train.epochs = 60.0
    return c
