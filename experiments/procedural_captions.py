r"""The demo's training on procedural heads, which need no download.

    tfds build tfds_builders/synthetic_faces --config=static_captions --data_dir=data \
        --file_format=array_record
    smile-jax train --config=experiments/procedural_captions.py \
        --workdir=runs/procedural
    smile-jax evaluate --workdir=runs/procedural

This was the demo until heads of people took its place; what docs/predict.md and
docs/evaluation.md measured with `runs/procedural` is of it. 20 held-out people, six
expressions, chance 0.167: linear probe 0.906, 10-NN 0.923, zero-shot 0.883; random_init
0.481, pixels_pca 0.783. On heads of ICT-FaceKit it has 0.245: barely above chance.
"""

from smile_jax.experiments import demo_captions


def get_config():
    """Returns the experiment's config."""
    c = demo_captions.get_config()
    c.data.dir = "data/synthetic_faces/static_captions"
    return c
