r"""Neither label nor text: term 1 alone on single scans of ICT-FaceKit's faces.

    tfds build tfds_builders/ict_faces --config=static --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax train --config=experiments/ict_none.py --workdir=runs/ict_none
    smile-jax evaluate --workdir=runs/ict_none

What the views of a scan share is first of all who it is: batches hold blocks of one
person, and each clip is compared less its person's mean. Lambda is twenty times Barlow
Twins', whose batches and width are not these.

24 of 100 identity modes; 20 held-out people, six expressions, chance 0.167. 938 steps,
4 minutes of training on two CPU cores beside other work. Scores have not been measured
since probes were mended (experiments/results.md).
"""

from smile_jax.experiments import ict_static


def get_config():
    """Returns the experiment's config."""
    c = ict_static.get_config()
    c.text_source = "none"
    c.objective.smile.off_diagonal = 0.1
    c.objective.smile.center_people = True
    c.data.person_block = 8
    c.train.batch_size = 64
    c.train.epochs = 30.0
    return c
