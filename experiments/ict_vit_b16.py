r"""ViT-B/16 at 224 pixels on ICT-FaceKit, for one large GPU or a slice of TPUs.

Not trained yet; what its step costs: docs/performance.md and experiments/cost.md.

    tfds build tfds_builders/ict_faces --config=static_224 --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER]
    smile-jax train --config=experiments/ict_vit_b16.py \
        --workdir=runs/ict_vit_b16
    smile-jax evaluate --workdir=runs/ict_vit_b16
"""

from smile_jax.experiments import ict_vit_s16


def get_config():
    """Returns the experiment's config."""
    c = ict_vit_s16.get_config()
    c.data.threads = 16
    v = c.model.vision
    v.width, v.depth, v.heads, v.mlp_width = 768, 12, 12, 3072
    c.train.batch_size = 256
    return c
