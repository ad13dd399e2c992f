r"""Micro-expressions of five emotions, one or two at once, among blinks and speech.

    tfds build tfds_builders/ict_faces --config=micro --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax train --config=experiments/ict_micro.py --workdir=runs/ict_micro
    smile-jax evaluate --workdir=runs/ict_micro

41 people, 574 clips of a second; labels of training people choose the prompts of all
emotions that a clip shows. Seen is the frame of most motion, as how far the skin has
moved and how much it is strained. 9 held-out people of one fold. 4 minutes of training
on two CPU cores beside other work. Scores have not been measured since probes were
mended (experiments/results.md).
`experiments/suites/ict_micro.py` compares what a model sees of such a clip.

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from smile_jax.experiments import ict_minilm


def get_config():
    """Returns the experiment's config."""
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/micro"
    c.data.classes = ("positive", "negative", "surprise", "repression", "others")
    c.data.inputs = ("displacement", "strain")
    c.data.views = 2
    c.data.frames, c.data.sampling = 1, "apex"
    c.augment.relight = False  # there is no texture among the inputs
    c.model.temporal = "mean"
    c.text_source = "several"
    c.objective.smile.alignment_over = "each"
    c.objective.smile.redundancy = 0.0
    c.train.epochs = 30.0
    return c
