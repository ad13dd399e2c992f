r"""ViT-S/16 at 224 pixels on ICT-FaceKit, for one GPU. Not measured yet.

Run:

    tfds build tfds_builders/ict_faces --config=static_224 --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER]
    smile-jax train --config=experiments/ict_vit_s16.py \
        --workdir=runs/ict_vit_s16
    smile-jax evaluate --workdir=runs/ict_vit_s16
"""

from smile_jax.config import get_config as default_config


def get_config():
    """Returns the experiment's config."""
    c = default_config()  # the base model is ViT-S/16
    c.data.dir = "data/ict_faces/static_224"
    c.data.threads = 8
    c.model.vision.dtype = "bfloat16"
    c.train.batch_size = 128
    c.train.epochs = 100.0
    return c
