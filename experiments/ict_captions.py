r"""No label and no motion: single scans of ICT-FaceKit's faces, told by captions.

    tfds build tfds_builders/ict_faces --config=static_captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    python -m smile_jax.train --config=experiments/ict_captions.py \
        --workdir=runs/ict_captions
    python -m smile_jax.evaluate --workdir=runs/ict_captions \
        --prompts=experiments/prompts_reworded_actions.yaml

Captions say how a scan differs from the median of the person's scans. 24 of 100
identity modes; 20 held-out people of one fold, six expressions, chance 0.167; three
seeds, mean and half of Student's 95 % interval. Linear probe 0.933 +- 0.021, 10-NN
0.934 +- 0.017, zero-shot 0.890 +- 0.047; random_init 0.470 +- 0.079, pixels_pca 0.740
(linear probes, which use labels of 80 people). By way of captions (docs/evaluation.md)
0.909 +- 0.031 in their own words and 0.906 +- 0.029 in other words for muscles (0.491
without that way); emotions in words (prompts_reworded.yaml) 0.298, for captions say
nothing of them. 11 minutes of training on two CPU cores beside much other work.

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from experiments import ict_minilm
from experiments.demo_captions import learn_from_captions


def get_config():
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/static_captions"
    learn_from_captions(c)
    return c
