r"""Micro-expressions of 4DME: five emotions, several at once, one person left out.

    tfds build tfds_builders/four_dme --config=micro_64 --manual_dir=4DME \
        --data_dir=data --file_format=array_record
    for fold in $(seq 0 40); do  # as many folds as people; 41 of them, from memory
        smile-jax train --config=experiments/four_dme.py \
            --config.data.folds=41 --config.data.fold=$fold \
            --workdir=runs/four_dme/fold_$fold
    done
    smile-jax evaluate --workdir=runs/four_dme --protocol=kfold

Counts are pooled over folds, so UF1 is of all clips, as the field has it. The release's
own folds in place of that: --config.data.folds_from=fold and as many folds as it names.
Labels of training people choose the prompts of all emotions that a clip shows; without
labels, by captions: --config.text_source=captions on the dataset's config `captions`.
Not run on the licensed sequences; on generated ones of the same form see
experiments/ict_micro.py.

Without a network: --config.model.pretrained_text=FOLDER, see experiments/ict_minilm.py.
"""

from smile_jax.experiments import ict_micro


def get_config():
    """Returns the experiment's config."""
    c = ict_micro.get_config()
    c.data.dir = "data/four_dme/micro_64"
    c.data.inputs = ("displacement",)
    return c
