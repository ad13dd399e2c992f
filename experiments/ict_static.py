r"""ICT-FaceKit's scan-derived heads at 64 pixels, on two CPU cores.

    tfds build tfds_builders/ict_faces --config=static --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax train --config=experiments/ict_static.py \
        --workdir=runs/ict_static
    smile-jax evaluate --workdir=runs/ict_static

With 24 of the 100 identity modes, 20 held-out people, six expressions, chance 0.167. 20
minutes of training on two CPU cores that did other work besides. Scores have not been
measured since probes were mended (experiments/results.md).
"""

from smile_jax.experiments import demo


def get_config():
    """Returns the experiment's config."""
    c = demo.get_config()
    c.data.dir = "data/ict_faces/static"
    c.data.fold = 0  # no choice of the model was made on these faces
    c.train.epochs = 60.0
    return c
