r"""No labels: people and scanner that a trained model has not seen.

    tfds build tfds_builders/ict_faces --data_dir=data --file_format=array_record \
        --config='{"name": "others", "seed": 1, "neutral": false, "difficulty":
        {"pose_deg": 14, "shift_mm": 9, "sensor_mm": 0.4, "lighting": 0.8, "holes": 3}}'
    python -m smile_jax.train --config=experiments/ict_pseudo.py \
        --workdir=runs/ict_pseudo
    python -m smile_jax.evaluate --workdir=runs/ict_pseudo \
        --prompts=experiments/prompts_reworded.yaml

Starts from `runs/ict_minilm` (experiments/ict_minilm.py): another hundred people, with
less pose, noise and baked-in light. Its own zero-shot guesses become targets. The
expressions are balanced by design, so the uniform alignment is fair here.
"""

from experiments import ict_minilm


def get_config():
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/others"
    c.data.fold = 0
    c.model.pretrained_text = ""
    c.model.start_from = "runs/ict_minilm"
    c.text_source = "pseudo"
    c.optimizer.learning_rate = 3e-4
    c.train.epochs = 20.0
    return c
