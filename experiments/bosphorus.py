r"""Bosphorus at 64 pixels on two CPU cores, without labels: scans told by captions.

    tfds build tfds_builders/bosphorus --config=captions_64 --manual_dir=BOSPHORUS \
        --data_dir=data --file_format=array_record
    smile-jax train --config=experiments/bosphorus.py --workdir=runs/bosphorus
    smile-jax evaluate --workdir=runs/bosphorus

Only people who show all six expressions count, of whom sixty are drawn, in ten folds of
six: experiments/suites/bosphorus.py runs them all. Without a licence, a rehearsal tree
takes the place of the folder (smile-jax rehearse --format=bosphorus
--out=BOSPHORUS). Not run on the licensed scans.

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from smile_jax.experiments import ict_captions


def get_config():
    """Returns the experiment's config."""
    c = ict_captions.get_config()
    c.data.dir = "data/bosphorus/captions_64"
    c.data.complete_people = True
    c.data.people = 60
    c.data.folds = 10
    return c
