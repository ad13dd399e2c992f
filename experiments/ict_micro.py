r"""Micro-expressions of five emotions, one or two at once, among blinks and speech.

    for config in micro micro_magnified; do
        tfds build tfds_builders/ict_faces --config=$config --data_dir=data \
            --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    done
    python -m smile_jax.train --config=experiments/ict_micro.py --workdir=runs/ict_micro
    python -m smile_jax.evaluate --workdir=runs/ict_micro

41 people, 574 clips of a second; labels of training people choose the prompts of all
emotions that a clip shows. `experiments/suites/ict_micro.py` compares what a model sees
of such a clip.

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from experiments import ict_minilm


def get_config():
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/micro_magnified"
    c.data.classes = ("positive", "negative", "surprise", "repression", "others")
    c.data.inputs = ("depth", "normals")
    c.data.views = 2
    c.augment.relight = False  # there is no texture among the inputs
    c.model.temporal = "dynamic"
    c.text_source = "several"
    c.loss.alignment_over = "each"
    c.loss.redundancy = 0.0
    c.train.epochs = 40.0
    return c
