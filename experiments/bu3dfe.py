r"""BU-3DFE at 64 pixels on two CPU cores: pretraining on its cropped faces.

    tfds build tfds_builders/bu3dfe --config=static_64 --manual_dir=BU_3DFE \
        --data_dir=data --file_format=array_record
    smile-jax train --config=experiments/bu3dfe.py --workdir=runs/bu3dfe
    smile-jax evaluate --workdir=runs/bu3dfe

Without a licence, a rehearsal tree takes the place of the folder:

    smile-jax rehearse --format=bu3dfe --out=BU_3DFE --subjects=100 \
        --texture=256 [--heads=makehuman]

On such a tree, of 24 ICT-FaceKit modes, two CPU cores take 125 s to write the tree, 41
s to build, 12 minutes to train, 46 s to evaluate. Scores have not been measured since
probes were mended (experiments/results.md).
"""

from smile_jax.experiments import demo


def get_config():
    """Returns the experiment's config."""
    c = demo.get_config()
    c.data.dir = "data/bu3dfe/static_64"
    c.data.fold = 0
    c.train.epochs = 60.0
    return c
