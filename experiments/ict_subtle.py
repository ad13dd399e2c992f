r"""Weak expressions in motion, without labels: what frames tell beside their strongest.

    tfds build tfds_builders/ict_faces --config=subtle --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax train --config=experiments/ict_subtle.py \
        --workdir=runs/ict_subtle
    smile-jax evaluate --workdir=runs/ict_subtle

4 frames of 4 seconds, two views of depth and normals, 720 clips of 60 people of
intensities 1 and 2. `experiments/suites/ict_time.py` compares all temporal models here.
Scores have not been measured since probes were mended (experiments/results.md).

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from smile_jax.experiments import ict_minilm
from smile_jax.experiments.demo_captions import learn_from_captions


def get_config():
    """Returns the experiment's config."""
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/subtle"
    c.data.inputs = ("depth", "normals")
    c.data.views = 2
    c.data.frames, c.data.sampling = 4, "apex"
    c.augment.relight = False  # there is no texture
    learn_from_captions(c)
    c.train.epochs = 12.0
    return c
