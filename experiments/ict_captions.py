r"""No label and no motion: single scans of ICT-FaceKit's faces, told by captions.

    tfds build tfds_builders/ict_faces --config=static_captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax train --config=experiments/ict_captions.py \
        --workdir=runs/ict_captions
    smile-jax evaluate --workdir=runs/ict_captions \
        --prompts=experiments/prompts_reworded_actions.yaml

Captions say how a scan differs from the median of the person's scans. 24 of 100
identity modes; 20 held-out people of one fold, six expressions, chance 0.167. 11
minutes of training on two CPU cores beside much other work. Scores with other settings:
experiments/suites/ict_methods.py; of these they have not been measured since probes
were mended (experiments/results.md).

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from smile_jax.experiments import ict_minilm
from smile_jax.experiments.demo_captions import learn_from_captions


def get_config():
    """Returns the experiment's config."""
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/static_captions"
    learn_from_captions(c)
    return c
