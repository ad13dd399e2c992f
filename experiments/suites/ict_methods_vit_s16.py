r"""The methods of ict_methods.py with a ViT-S/16 at 224 pixels, for one GPU.

    tfds build tfds_builders/ict_faces --data_dir=data --file_format=array_record \
        --config='{"name": "static_captions_224", "size": 224, "captions": true}' \
        [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax sweep --suite=experiments/suites/ict_methods_vit_s16.py
    smile-jax benchmark --suite=experiments/suites/ict_methods_vit_s16.py

Several GPUs share it by --shard=i/n (docs/gpu.md). Not run yet.
"""

import dataclasses

from smile_jax.experiments.suites import ict_methods

_TRAINING = {
    "data.dir": "data/ict_faces/static_captions_224",
    "data.threads": 8,
    "model.vision.stem": "patch",
    "model.vision.pool": "class",
    "model.vision.dtype": "bfloat16",
    "model.projector_dim": 1024,
    "train.batch_size": 128,
}
_SIZE = {
    "model.vision.width": 384,
    "model.vision.depth": 12,
    "model.vision.heads": 6,
    "model.vision.mlp_width": 1536,
}
_EPOCHS, _TRIAL_EPOCHS = 100.0, 30.0


def get_suite():
    """Returns the suite."""
    suite = ict_methods.methods_suite().over(
        {**_TRAINING, **_SIZE, "train.epochs": _EPOCHS}
    )
    trials = dataclasses.replace(suite.sweep, settings={"train.epochs": _TRIAL_EPOCHS})
    return dataclasses.replace(suite, sweep=trials)
