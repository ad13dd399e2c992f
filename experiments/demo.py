r"""MakeHuman's heads on two CPU cores, with the labels of training people (`weak`).

    smile-jax fetch makehuman
    tfds build tfds_builders/makehuman_faces --config=static_captions --data_dir=data \
        --file_format=array_record
    smile-jax train --config=experiments/demo.py --workdir=runs/weak
    smile-jax evaluate --workdir=runs/weak

`make demo` runs experiments/demo_captions.py, the same without labels, in 9 minutes on
two CPU cores. 20 held-out people, six expressions, chance 0.167; with labels, scores
have not been measured on these heads. docs/performance.md tells why the model looks
like this.
"""

from smile_jax.config import get_config as default_config


def get_config():
    """Returns the experiment's config."""
    c = default_config()
    c.data.dir = "data/makehuman_faces/static_captions"
    c.data.inputs = ("texture", "normals")
    c.data.fold = 1  # every choice below was made on fold 0
    v = c.model.vision
    v.patch_size, v.width, v.depth, v.heads, v.mlp_width = 16, 128, 4, 4, 512
    v.stem, v.pool = "conv", "mean"
    c.model.projector_dim, c.model.embed_dim = 256, 128
    t = c.model.text
    t.width, t.depth, t.mlp_width = 64, 1, 256
    a = c.augment
    a.scale, a.shift, a.noise, a.erase = 0.05, 0.03, 0.0, 0.2
    c.objective.smile.decorrelation = 0.3
    c.optimizer.learning_rate = 1e-3
    c.train.batch_size = 32
    c.train.epochs = 40.0
    c.train.log_every = 50
    return c
