r"""No label: a model of ICT-FaceKit's faces in motion learns from measured captions.

    tfds build tfds_builders/ict_faces --config=captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax train --config=experiments/ict_dynamic.py \
        --workdir=runs/ict_dynamic
    smile-jax evaluate --workdir=runs/ict_dynamic \
        --prompts=experiments/prompts_reworded_actions.yaml

2,400 sequences of 9 frames, each one dynamic image; 24 of 100 identity modes; 20
held-out people of one fold, six expressions, chance 0.167. 2.4 minutes of training on
two quiet CPU cores, 8 on a slower machine. Scores have not been measured since probes
were mended (experiments/results.md).

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from smile_jax.experiments import ict_minilm
from smile_jax.experiments.demo_captions import learn_from_captions


def get_config():
    """Returns the experiment's config."""
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/captions"
    c.data.clip = "dynamic"
    c.augment.relight = False  # rank-pooled normals are no surface
    c.augment.bias = 0.0  # in a dynamic image that is motion
    learn_from_captions(c)
    c.train.epochs = 30.0
    return c
