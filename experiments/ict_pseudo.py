r"""No labels: eighty people, from a model that was trained on nine others.

    FEW='{"name": "few", "seed": 1, "subjects": 12, "neutral": false}'
    for config in static "$FEW"; do
        tfds build tfds_builders/ict_faces --config="$config" --data_dir=data \
            --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    done
    smile-jax train --config=experiments/ict_minilm.py \
        --workdir=runs/ict_few --config.data.dir=data/ict_faces/few
    smile-jax train --config=experiments/ict_pseudo.py \
        --workdir=runs/ict_pseudo
    smile-jax evaluate --workdir=runs/ict_pseudo

Its own zero-shot guesses become targets. The expressions are balanced by design, so the
uniform alignment is fair here. On two CPU cores beside much other work: 20 minutes.
Scores have not been measured since probes were mended (experiments/results.md).
"""

from smile_jax.experiments import ict_minilm


def get_config():
    """Returns the experiment's config."""
    c = ict_minilm.get_config()
    c.data.fold = 0  # the choices below were made on fold 1
    c.model.pretrained_text = ""
    c.model.start_from = "runs/ict_few"
    c.text_source = "pseudo"
    c.optimizer.learning_rate = 3e-4
    c.optimizer.ema_decay = 0.999  # a slow teacher
    c.train.epochs = 20.0
    return c
