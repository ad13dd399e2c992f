r"""BU-4DFE without labels, at 64 pixels on two CPU cores: sequences told by captions.

    tfds build tfds_builders/bu4dfe --config=captions_64 --manual_dir=BU_4DFE \
        --data_dir=data --file_format=array_record
    smile-jax train --config=experiments/bu4dfe.py --workdir=runs/bu4dfe
    smile-jax evaluate --workdir=runs/bu4dfe

Landmarks are the .bnd files where they are there, else found by the network that comes
with the package. Without a licence, a rehearsal tree takes the place of the folder:

    smile-jax rehearse --format=bu4dfe --out=BU_4DFE --subjects=100 \
        --frames=9 --points=6000 --texture=96 [--heads=makehuman]

On such a tree, of 24 ICT-FaceKit modes (600 sequences of the strongest intensity), two
CPU cores train for 10 minutes beside other work. No label is seen in pretraining.
Scores have not been measured since probes were mended (experiments/results.md).

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from smile_jax.experiments import ict_dynamic


def get_config():
    """Returns the experiment's config."""
    c = ict_dynamic.get_config()
    c.data.dir = "data/bu4dfe/captions_64"
    c.train.epochs = 120.0
    return c
