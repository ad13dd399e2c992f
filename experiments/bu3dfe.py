r"""BU-3DFE at 64 pixels on two CPU cores: pretraining on its cropped faces.

    tfds build tfds_builders/bu3dfe --config=static_64 --manual_dir=BU_3DFE \
        --data_dir=data --file_format=array_record
    python -m smile_jax.train --config=experiments/bu3dfe.py --workdir=runs/bu3dfe
    python -m smile_jax.evaluate --workdir=runs/bu3dfe

Without a licence, a rehearsal tree takes the place of the folder:

    python -m smile_jax.faces.export --format=bu3dfe --out=BU_3DFE --subjects=100 \
        --texture=256 [--ict=ARCHIVE]

On such a tree, of 24 ICT-FaceKit modes, as measured on two CPU cores: 125 s to write
the tree, 41 s to build, 12 minutes to train, 46 s to evaluate. 20 held-out people, six
expressions, chance 0.167. Linear probe 0.950, zero-shot 0.940; random_init 0.454,
pixels_pca 0.675 (linear probes). One seed, one fold; measured before attention put
heads before tokens, which rounds otherwise.

Measured before version 2.0.0 of the datasets framed heads by their faces, with a
projector of 512 and the baselines of then; not run again since.
"""

from experiments import demo


def get_config():
    c = demo.get_config()
    c.data.dir = "data/bu3dfe/static_64"
    c.data.fold = 0
    c.train.epochs = 60.0
    return c
