r"""No label: a model of ICT-FaceKit's faces in motion learns from measured captions.

    tfds build tfds_builders/ict_faces --config=captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    python -m smile_jax.train --config=experiments/ict_dynamic.py \
        --workdir=runs/ict_dynamic
    python -m smile_jax.evaluate --workdir=runs/ict_dynamic \
        --prompts=experiments/prompts_reworded_actions.yaml
"""

from experiments import ict_minilm


def learn_from_captions(c):
    """Of a config: its text is what was measured, and no label is seen."""
    c.text_source = "captions"
    c.loss.alignment_over = "pairs"
    c.loss.pair_width = 1.0
    c.loss.redundancy = 0.0  # it decomposes all texts, of which there are thousands
    c.prompts.phrasings = 12
    c.prompts.style = "actions"  # captions speak of muscles, not of emotions


def get_config():
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/captions"
    c.data.clip = "dynamic"
    c.augment.relight = False  # rank-pooled normals are no surface
    c.augment.bias = 0.0  # in a dynamic image that is motion
    learn_from_captions(c)
    c.train.epochs = 30.0
    return c
