r"""Micro-expressions of five emotions, one or two at once, among blinks and speech.

    tfds build tfds_builders/ict_faces --config=micro --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    python -m smile_jax.train --config=experiments/ict_micro.py --workdir=runs/ict_micro
    python -m smile_jax.evaluate --workdir=runs/ict_micro

41 people, 574 clips of a second; labels of training people choose the prompts of all
emotions that a clip shows. Seen is the frame of most motion, as how far the skin has
moved and how much it is strained. 9 held-out people of one fold, three seeds, mean and
half of Student's 95 % interval: UF1 of the five emotions 0.600 +- 0.070 (linear probe),
0.602 +- 0.041 (zero-shot); macro F1 over emotions where clips may show two 0.605 +-
0.097, over twelve action units 0.364 +- 0.014. The same of depth and normals: 0.198
(linear probe), 0.369, 0.198; of `motion`, which sees no picture: 0.610, 0.540, 0.293.
4 minutes of training on two CPU cores beside other work.
`experiments/suites/ict_micro.py` compares what a model sees of such a clip.

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from experiments import ict_minilm


def get_config():
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/micro"
    c.data.classes = ("positive", "negative", "surprise", "repression", "others")
    c.data.inputs = ("displacement", "strain")
    c.data.views = 2
    c.data.frames, c.data.sampling = 1, "apex"
    c.augment.relight = False  # there is no texture among the inputs
    c.model.temporal = "mean"
    c.text_source = "several"
    c.loss.alignment_over = "each"
    c.loss.redundancy = 0.0
    c.train.epochs = 30.0
    return c
