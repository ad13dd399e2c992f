r"""No label and no motion: single scans of ICT-FaceKit's faces, told by captions.

    tfds build tfds_builders/ict_faces --config=static_captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    python -m smile_jax.train --config=experiments/ict_captions.py \
        --workdir=runs/ict_captions
    python -m smile_jax.evaluate --workdir=runs/ict_captions \
        --prompts=experiments/prompts_reworded_actions.yaml

Captions say how a scan differs from the median of the person's scans. 24 of 100
identity modes; 20 held-out people, six expressions, chance 0.167. Linear probe 0.925,
10-NN 0.935, zero-shot 0.887; random_init 0.440, pixels_pca 0.740 (linear probes, which
use labels of 80 people). Muscles in other words: 0.450; emotions in words
(prompts_reworded.yaml): 0.346, for captions say nothing of them. 11 minutes of training
on two CPU cores beside much other work. One seed, one fold; rounding alone moves scores
by 0.02: as built by version 3.1.0 of the datasets 0.925, 0.931, 0.871, and by way of
captions (docs/evaluation.md) 0.896 in their own words and 0.894 in other words.

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from experiments import ict_minilm
from experiments.demo_captions import learn_from_captions


def get_config():
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/static_captions"
    learn_from_captions(c)
    return c
