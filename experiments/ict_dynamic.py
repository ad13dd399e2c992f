r"""No label: a model of ICT-FaceKit's faces in motion learns from measured captions.

    tfds build tfds_builders/ict_faces --config=captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    python -m smile_jax.train --config=experiments/ict_dynamic.py \
        --workdir=runs/ict_dynamic
    python -m smile_jax.evaluate --workdir=runs/ict_dynamic \
        --prompts=experiments/prompts_reworded.yaml
"""

from experiments import ict_minilm


def get_config():
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/captions"
    c.data.clip = "dynamic"
    c.augment.relight = False  # rank-pooled normals are no surface
    c.text_source = "captions"
    c.loss.alignment_over = "pairs"
    c.loss.pair_width = 1.0
    c.prompts.style = "facs"  # captions speak of muscles, not of emotions
    c.loss.redundancy = 0.0  # it decomposes all texts, of which there are thousands
    c.prompts.phrasings = 12
    c.train.epochs = 30.0
    return c
