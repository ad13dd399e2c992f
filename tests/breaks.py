"""Breaks the code on purpose: `python -m tests.breaks [NAME ...]` says what catches it.

Each break is one plausible mistake. It is made in a copy of the tree, and the tests
named beside it must fail, of those that `make test` runs.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Break(NamedTuple):
    """In `path` below smile_jax/, `old` (once there) becomes `new`."""

    path: str
    old: str
    new: str
    tests: str  # below tests/, and what `pytest -k` takes


BREAKS = {
    # Losses and statistics.
    "term 1 drives correlations to -1": Break(
        "losses/view_decorrelation.py",
        "((1 - diagonal) ** 2)",
        "((1 + diagonal) ** 2)",
        "losses/test_terms.py",
    ),
    "term 1 standardises by local statistics": Break(
        "losses/view_decorrelation.py",
        "scores = standardize(z, weights=weights, axis_name=axis_name)",
        "scores = standardize(z, weights=weights, axis_name=None)",
        "losses/test_devices.py -k full_batch",
    ),
    "term 1 squares before the sum over devices": Break(
        "losses/view_decorrelation.py",
        "(parallel.psum_scatter(partial, axis_name) ** 2)",
        "parallel.psum_scatter(partial**2, axis_name)",
        "losses/test_devices.py -k full_batch",
    ),
    "term 1 compares a view with itself": Break(
        "losses/view_decorrelation.py",
        "itertools.combinations(range(views), 2)",
        "itertools.combinations_with_replacement(range(views), 2)",
        "losses/test_terms.py",
    ),
    "term 2 subtracts text to image": Break(
        "losses/prompt_alignment.py",
        "i2t + i2t_views + t2i_weight * t2i",
        "i2t + i2t_views - t2i_weight * t2i",
        "losses/test_terms.py",
    ),
    "term 2 shifts by a local maximum": Break(
        "losses/prompt_alignment.py",
        "parallel.pmax(masked.max(axis=0), axis_name)",
        "masked.max(axis=0)",
        "losses/test_devices.py -k full_batch",
    ),
    "term 3 over actions asks for independence of what goes together": Break(
        "losses/modality_redundancy.py",
        "missing = (c - r) ** 2",
        "missing = (c - jnp.eye(width)) ** 2",
        "losses/test_terms.py -k action",
    ),
    "soft pairs compare with a device's own examples": Break(
        "losses/caption_alignment.py",
        "everyone = parallel.all_gather(actions, axis_name)",
        "everyone = jnp.tile(actions, (parallel.axis_size(axis_name), 1))",
        "losses",
    ),
    "people are centred on each device alone": Break(
        "core/batch_statistics.py",
        "parallel.all_gather(value, axis_name) for value in (x, groups)",
        "value for value in (x, groups)",
        "objectives/test_smile.py",
    ),
    "a last block is not filled": Break(
        "data/pipeline.py",
        "mine = np.resize(mine, -(-len(mine) // self._block) * self._block)",
        "mine = mine[: len(mine) // self._block * self._block]",
        "data/test_pipeline.py",
    ),
    "captions confuse left and right": Break(
        "faces/landmark_motion.py",
        "for side in (left, right)])",
        "for side in (right, left)])",
        "faces/test_captions.py",
    ),
    "a scan is told against itself": Break(
        "data/examples.py",
        "    if task.person:",
        "    if not task.person:",
        "data/test_captions_built.py",
    ),
    "pairs count padding as positive": Break(
        "losses/caption_alignment.py",
        "positive = alike * there",
        "positive = alike * 1.0",
        "losses",
    ),
    "term 3 keeps the diagonal among what is off it": Break(
        "losses/modality_redundancy.py",
        "valid & ~jnp.eye(len(c), dtype=bool)",
        "valid",
        "losses/test_terms.py",
    ),
    "term 3 lets text coordinates flip": Break(
        "losses/modality_redundancy.py",
        "u * sign[None], 0)",
        "u, 0)",
        "losses/test_terms.py",
    ),
    "guesses forget the prior": Break(
        "losses/pseudo_labels.py",
        "momentum * prior.average + (1 - momentum) * mean",
        "(1 - momentum) * prior.average + momentum * mean",
        "losses/test_pseudo_labels.py",
    ),
    "guesses are pulled away from the wanted frequencies": Break(
        "losses/pseudo_labels.py",
        "jnp.log(wanted / jnp.maximum(debiased, 1e-12))",
        "jnp.log(jnp.maximum(debiased, 1e-12) / wanted)",
        "losses/test_pseudo_labels.py",
    ),
    "standard scores without epsilon": Break(
        "core/batch_statistics.py",
        "jax.lax.rsqrt(variance + EPSILON)",
        "jax.lax.rsqrt(variance)",
        "losses/test_terms.py",
    ),
    "means weigh devices alike": Break(
        "core/batch_statistics.py",
        "return total / global_count(weights, axis_name)",
        "return parallel.pmean(jnp.tensordot(weights, x, axes=1) "
        "/ global_count(weights, None), axis_name)",
        "losses/test_devices.py -k full_batch",
    ),
    # Methods.
    "VICReg counts covariances once": Break(
        "objectives/vicreg.py", "2 * covariance", "covariance", "objectives"
    ),
    "InfoNCE leaves a clip's views among negatives": Break(
        "objectives/simclr.py",
        "positive = (own[:, None] == clips[None]) & ~itself",
        "positive = (own[:, None] == clips[None]) & itself",
        "objectives",
    ),
    "shu: who is attracted stays a negative": Break(
        "objectives/shu.py",
        "contrast(logits, positive, others & ~nearest)",
        "contrast(logits, positive, others)",
        "objectives/test_shu.py",
    ),
    "shu: moments of a clip are all alike": Break(
        "objectives/shu.py",
        "return half[0][:, None] == half[1][None]",
        "return jnp.ones(shape, bool)",
        "objectives/test_shu.py",
    ),
    "multiview: who is not sure makes pairs": Break(
        "objectives/multiview_vlm.py",
        "both = sure[0][:, None] & sure[1][None]",
        "both = sure[0][:, None] | sure[1][None]",
        "objectives/test_multiview_vlm.py",
    ),
    "conclugen: the margin helps": Break(
        "objectives/conclugen.py",
        "logits - self.margin * itself",
        "logits + self.margin * itself",
        "objectives/test_conclugen.py",
    ),
    "conclugen: each device clusters its own examples": Break(
        "objectives/conclugen.py",
        "means = parallel.all_gather(o.mean(axis=1), axis_name)",
        "means = o.mean(axis=1)",
        "objectives/test_conclugen.py -k devices",
    ),
    "conclugen: a clip has another's caption": Break(
        "objectives/conclugen.py",
        "return x.targets.shares.astype(bank.dtype) @ bank",
        "return jnp.roll(x.targets.shares.astype(bank.dtype), 1, axis=0) @ bank",
        "objectives/test_conclugen.py -k caption",
    ),
    "facet: prompts share one view": Break(
        "objectives/facet_vlm.py",
        'e.heads["guide"], bank), axis=1)',
        'e.heads["guide"], bank), axis=2)',
        "objectives/test_facet_vlm.py",
    ),
    "siglip is a mean over prompts": Break(
        "objectives/siglip.py",
        "Term(count * x.targets.worth, loss, metrics)",
        "Term(x.targets.worth, loss, metrics)",
        "objectives/test_siglip.py",
    ),
    "an interval knows no people": Break(
        "evaluation/significance.py",
        "    if of_people <= twice:",
        "    if True:",
        "evaluation/test_significance.py -k false_alarms",
    ),
    "p of many comparisons are those of one": Break(
        "evaluation/tables.py",
        'multipletests(list(tested.values()), method="holm")[1]',
        "list(tested.values())",
        "evaluation/test_significance.py -k holm",
    ),
    "a run forgets that motion was magnified": Break(
        "inference/preprocessing.py",
        "magnify=r.magnify or 0.0,",
        "magnify=0.0,",
        "inference/test_same_picture.py -k motion",
    ),
    "supervised labels are off by one": Break(
        "objectives/supervised.py",
        'x.embeddings.heads["classifier"], x.batch["label"]',
        'x.embeddings.heads["classifier"], x.batch["label"] - 1',
        "objectives",
    ),
    "two processes write the same table at once": Break(
        "core/files.py",
        "fcntl.LOCK_EX",
        "fcntl.LOCK_SH",
        "test_files.py",
    ),
    "words mean something to who never met them": Break(
        "config/factories.py",
        "source_class(config).has_text and OBJECTIVES[config.objective.name].uses_text",
        "source_class(config).has_text",
        "test_config.py -k words",
    ),
    # Parallel training.
    "a mean over devices is a sum": Break(
        "core/parallel.py",
        "return x if axis_name is None else jax.lax.pmean(x, axis_name)",
        "return x if axis_name is None else jax.lax.psum(x, axis_name)",
        "losses/test_devices.py -k full_batch",
    ),
    "the gradient is device 0's": Break(
        "training/global_gradient.py",
        "    return parallel.pmean(gradient, axis_name)\n",
        "    return gradient\n",
        "training/test_step.py -k any_number_of_devices",
    ),
    "clipping is dropped": Break(
        "training/update.py",
        "jax.tree.map(lambda g: g * factor, gradient)",
        "gradient",
        "training/test_update.py",
    ),
    "clipping in pieces uses a piece's norm": Break(
        "training/global_gradient.py",
        "parallel.psum(optax.tree.norm(gradient, squared=True), axis_name)",
        "optax.tree.norm(gradient, squared=True)",
        "training/test_state_layout.py",
    ),
    "parts of a batch come back in another order": Break(
        "training/micro_batches.py",
        "lambda x: x.reshape(-1, *x.shape[2:]), jax.lax.map(one, parts)",
        "lambda x: x[::-1].reshape(-1, *x.shape[2:]), jax.lax.map(one, parts)",
        "training/test_update.py",
    ),
    "biases decay": Break(
        "training/optimizer.py",
        'names = ("kernel",',
        'names = ("kernel", "bias",',
        "training/test_update.py",
    ),
    "the schedule ends at the peak": Break(
        "training/optimizer.py",
        "end_value=config.learning_rate * config.final_rate",
        "end_value=config.learning_rate",
        "training/test_update.py",
    ),
    "the average starts at full decay": Break(
        "training/state.py",
        "(1.0 + step) / (10.0 + step)",
        "decay",
        "training/test_update.py",
    ),
    "augmentation repeats in every step": Break(
        "training/step.py",
        'stream_key(state.key, "augment", state.step)',
        'stream_key(state.key, "augment", 0)',
        "training/test_update.py",
    ),
    "single views get their neighbour's prompts": Break(
        "training/prompt_bank.py",
        "bank[1 + view_ids]",
        "bank[view_ids]",
        "training/test_prompt_bank.py",
    ),
    "the last blocks are one more": Break(
        "training/tuning.py",
        "> towers[tower].depth - config.last_blocks",
        ">= towers[tower].depth - config.last_blocks",
        "training/test_tuning.py",
    ),
    "layer decay starts one block too high": Break(
        "training/tuning.py",
        "towers[tower].depth + 1 - towers",
        "towers[tower].depth - towers",
        "training/test_tuning.py",
    ),
    # Data.
    "a resumed run skips a batch": Break(
        "data/pipeline.py",
        "first_step * batch_size + process",
        "(first_step + 1) * batch_size + process",
        "data/test_pipeline.py",
    ),
    "processes draw the same rows": Break(
        "data/pipeline.py",
        "rows = np.arange(process, batch_size, num_processes, dtype=np.int32)",
        "rows = np.arange(local, dtype=np.int32)",
        "data/test_pipeline.py",
    ),
    "a test subject leaks into training": Break(
        "data/splits.py",
        "return records[~in_test], records[in_test]",
        "return records, records[in_test]",
        "data/test_pipeline.py",
    ),
    "labels are in the dataset's order": Break(
        "data/batch_fields.py",
        "return dataset.labels_over(classes)",
        "return dataset.labels",
        "data/test_pipeline.py",
    ),
    "an example's augmentation depends on its batch": Break(
        "data/augment.py",
        "jax.random.split(jax.random.fold_in(key, row))",
        "jax.random.split(key)",
        "data/test_augment.py",
    ),
    "training sees the local mean that evaluation subtracts": Break(
        "training/step.py",
        "local_mean=config.local_mean",
        "local_mean=0.0",
        "training/test_update.py -k local_mean",
    ),
    "evaluation sees as many views as a step": Break(
        "config/factories.py",
        "return config.evaluation.views or config.data.views",
        "return config.data.views",
        "evaluation/test_evaluate.py -k everywhere",
    ),
    "flattened places are averaged": Break(
        "models/convnet.py",
        'if c.pool == "flatten":',
        "if False:",
        "models/test_models.py -k flattened",
    ),
    "rank pooling runs backwards": Break(
        "mesh/rank_pooling.py",
        "(2 * t - num_frames - 1) / t",
        "(num_frames + 1 - 2 * t) / t",
        "mesh/test_rank_pooling.py",
    ),
    "a camera looks from the other side": Break(
        "mesh/cameras.py",
        "yaw, pitch = np.deg2rad([yaw_deg, pitch_deg])",
        "yaw, pitch = np.deg2rad([-yaw_deg, pitch_deg])",
        "mesh/test_render.py",
    ),
    "normals point inwards": Break(
        "mesh/raster.py",
        "normals[corner, 2] += nz",
        "normals[corner, 2] -= nz",
        "mesh/test_render.py",
    ),
    # Models.
    "attention is not scaled": Break(
        "models/transformer.py",
        "scores = scores * query.shape[-1] ** -0.5",
        "scores = scores * 1.0",
        "models/test_models.py models/test_pretrained.py",
    ),
    "text looks at padding": Break(
        "models/text_tower.py",
        "mask = mask & real[:, None, None, :]",
        "mask = mask | real[:, None, None, :]",
        "models/test_models.py -k padding",
    ),
    "fusion weighs features and not views": Break(
        "models/heads.py",
        "weights = nn.softmax(score(nn.tanh(hidden)), axis=1)",
        "weights = nn.softmax(score(nn.tanh(hidden)), axis=2)",
        "models/test_models.py",
    ),
    "frames are summed": Break(
        "models/temporal.py",
        "return nn.softmax(scores, axis=1)",
        "return x.shape[1] * nn.softmax(scores, axis=1)",
        "models/test_temporal.py -k starts",
    ),
    "kept patches keep the first positions": Break(
        "models/vit.py",
        "x = x + position[None, extra:]\n"
        "        if kept is not None:\n"
        "            x = jnp.take_along_axis(x, kept[:, :, None], axis=1)",
        "if kept is not None:\n"
        "            x = jnp.take_along_axis(x, kept[:, :, None], axis=1)\n"
        "        x = x + position[None, extra : extra + x.shape[1]]",
        "models/test_models.py -k kept",
    ),
    "prototypes are not normalised": Break(
        "models/encoder.py",
        "return normalize(means).reshape(*shape, -1)",
        "return means.reshape(*shape, -1)",
        "models/test_models.py -k assembled",
    ),
    # Evaluation and runs.
    "neighbours are the farthest": Break(
        "evaluation/cosine_search.py",
        "jax.lax.top_k(values, k)",
        "jax.lax.top_k(-values, k)",
        "evaluation/test_cosine_search.py",
    ),
    "a clip is its own neighbour": Break(
        "evaluation/cosine_search.py",
        "hidden = (numbers >= count) | (numbers == own[:, None])",
        "hidden = jnp.broadcast_to(numbers >= count, alike.shape)",
        "evaluation/test_cosine_search.py",
    ),
    "all probes are checked on the last fold's people": Break(
        "evaluation/linear_probe.py",
        "    paths = [\n"
        "        _accuracies(train[fit], labels[fit], train[check], labels[check])\n"
        "        for fit, check in folds\n"
        "    ]\n",
        "    paths = []\n"
        "    for fit, check in folds:\n"
        "        scaler = StandardScaler().fit(train[fit])\n"
        "        held_out = scaler.transform(train[check]), labels[check]\n"
        "        own = scaler.transform(train[fit])\n"
        "        probes = _path(own, labels[fit], _STRENGTHS)\n"
        "        paths.append(probe.score(*held_out) for probe in probes)\n",
        "evaluation/test_probes.py",
    ),
    "a probe is checked on people whom it was fitted to": Break(
        "evaluation/linear_probe.py",
        "_accuracies(train[fit], labels[fit], train[check], labels[check])",
        "_accuracies(train, labels, train[check], labels[check])",
        "evaluation/test_probes.py",
    ),
    "every process embeds everything": Break(
        "core/parallel.py",
        "filled[jax.process_index() :: processes]",
        "filled",
        "evaluation/test_embed.py -k shared",
    ),
    "every fold embeds its clips again": Break(
        "evaluation/fold_loop.py",
        "itertools.groupby(folds, key=lambda fold: fold.run.workdir)",
        "itertools.groupby(folds, key=lambda fold: fold.number)",
        "evaluation/test_embed.py -k one_pass",
    ),
    "components are fitted on test people": Break(
        "evaluation/pixel_baseline.py",
        "return pca.fit(self._pixels[fit])",
        "return pca.fit(self._pixels[:])",
        "evaluation/test_probes.py",
    ),
    "recall of classes that there are": Break(
        "evaluation/metrics.py",
        "return float(recall.mean())",
        "return float(recall[matrix.sum(axis=1) > 0].mean())",
        "evaluation/test_metrics.py",
    ),
    "a run is judged on people whose labels it saw": Break(
        "evaluation/protocols.py",
        "    if labelled := _labelled(run, plan.dataset, "
        "np.arange(len(plan.dataset.labels))):\n",
        "    if labelled := ():\n",
        "evaluation/test_evaluate.py",
    ),
    "another fold may continue a run": Break(
        "training/run_info.py",
        'free = {"data.dir",',
        'free = {"data.fold", "text_source", "data.dir",',
        "training/test_resume.py -k another_run",
    ),
    "the oldest checkpoint is the newest": Break(
        "training/checkpoints.py",
        "        damaged = []\n"
        "        for step in sorted(self._manager.all_steps(), reverse=True):",
        "        damaged = []\n        for step in sorted(self._manager.all_steps()):",
        "training/test_resume.py -k checkpoint",
    ),
    "old runs miss a key": Break(
        "training/run_migration.py",
        '    "objective.name": "smile",  # there was no other method\n',
        "",
        "training/test_old_runs.py",
    ),
    "ranges are not checked": Break(
        "config/validate.py",
        "elif low is not None and not low <= value",
        "elif low is None and not low <= value",
        "test_config.py",
    ),
    "validation people are trained on": Break(
        "training/run_plan.py",
        "    pretrain, _ = split_records(subjects, pretrain, folds, held_out)\n",
        "",
        "training/test_plan.py",
    ),
    "a heads' file is exported": Break(
        "inference/model_folder.py",
        'if k.split("/")[0] in PARTS}',
        "}",
        "training/test_starts.py -k exact",
    ),
    # Landmarks that are found, prompts by way of captions.
    "found landmarks are not turned back": Break(
        "landmarking/landmarker.py",
        "(points - center) @ pose.rotation.T.astype(np.float64) + center",
        "(points - center) @ pose.rotation.astype(np.float64) + center",
        "landmarking/test_landmarker.py -k turned_heads",
    ),
    "a landmark in a view is lifted upside down": Break(
        "landmarking/rendered_inputs.py",
        "(middle - pixels[:, 1]) * scale",
        "(pixels[:, 1] - middle) * scale",
        "landmarking/test_landmarker.py -k survive",
    ),
    "whatever it is, it has landmarks": Break(
        "landmarking/first_look.py",
        "FACE = 0.5  #",
        "FACE = -1.0  #",
        "landmarking/test_first_look.py -k not_sure",
    ),
    "guesses agree on their mean": Break(
        "landmarking/consensus.py",
        "return 1 / (1 + (apart / _TOLERANCE_MM) ** 2)",
        "return np.ones_like(apart)",
        "landmarking/test_landmarker.py -k agree",
    ),
    "landmarks of one person are some found, some delivered": Break(
        "data/builder.py",
        's.labels["subject"] in without',
        "s.landmarks is None",
        "data/test_captions_built.py -k one_kind",
    ),
    "prompts keep what they all share": Break(
        "inference/prompting.py",
        "unit_rows(bank - bank.mean(axis=0))",
        "unit_rows(bank)",
        "evaluation/test_zero_shot.py",
    ),
    # On files.
    "a sequence is answered by its first frame": Break(
        "inference/recognizer.py",
        "record.at(int(timeline.motion_mm.argmax()))",
        "record.at(0)",
        "inference/test_recognizer.py -k frame_by_frame",
    ),
    "everything is a face": Break(
        "inference/recognizer.py",
        "is_face = sure >= _A_FACE",
        "is_face = sure >= 0",
        "inference/test_recognizer.py -k lists",
    ),
    "people are frames of one sequence": Break(
        "inference/input_files.py",
        "_ONE_HEAD_MM = 0.7",
        "_ONE_HEAD_MM = 70.0",
        "inference/test_input_files.py -k people",
    ),
    "a large face is of a large unit": Break(
        "landmarking/face_units.py",
        "average = 1 / face.scale",
        "average = face.scale",
        "inference/test_same_picture.py -k units",
    ),
    "every face is of a usual unit": Break(
        "landmarking/face_units.py",
        "_PEOPLE, _NEAR = 1.4, 2.0",
        "_PEOPLE, _NEAR = 1e9, 2.0",
        "landmarking/test_first_look.py -k average_size",
    ),
    "heads far off the front stay so": Break(
        "landmarking/first_look.py",
        "AT_THE_FRONT_DEG = 20.0",
        "AT_THE_FRONT_DEG = 200.0",
        "inference/test_same_picture.py -k far_off",
    ),
    "faces are looked for from the front alone": Break(
        "landmarking/first_look.py",
        "_ZOOMS = (1, 2, 4)",
        "_ZOOMS = ()",
        "landmarking/test_first_look.py -k every_axis",
    ),
    "the next side up is on the other side": Break(
        "landmarking/first_look.py",
        "np.stack([-axes[:, 1], axes[:, 0], axes[:, 2]], axis=1)",
        "np.stack([axes[:, 1], -axes[:, 0], axes[:, 2]], axis=1)",
        "landmarking/test_first_look.py -k part_is",
    ),
    "a nose is where its landmark is": Break(
        "mesh/nose_tip.py",
        "return tip + climbed",
        "return tip",
        "landmarking/test_first_look.py -k delivered",
    ),
    "triangles that look outward are turned over": Break(
        "landmarking/head_scan.py",
        "@ face.rotation[:, 2]) < 0",
        "@ face.rotation[:, 2]) > 0",
        "landmarking/test_first_look.py -k inward",
    ),
    "what lies around a face is shown": Break(
        "mesh/face_crop.py",
        "< ball.radius**2",
        "< 1e9",
        "mesh/test_face_crop.py",
    ),
    "map coordinates are rounded": Break(
        "mesh/far_points.py",
        "vertices = (mesh.vertices - middle).astype(np.float32)",
        "vertices = mesh.vertices.astype(np.float32) - middle.astype(np.float32)",
        "mesh/test_face_crop.py -k map",
    ),
    "frames in map coordinates lose their places": Break(
        "mesh/far_points.py",
        "shift = np.subtract(mesh.origin, origin)",
        "shift = np.zeros(3)",
        "mesh/test_face_crop.py -k map",
    ),
    "an index has its rows in the order of the making": Break(
        "data/builder.py",
        "keys = sorted(rows, key=hasher.hash_key)",
        "keys = list(rows)",
        "data/test_builders.py -k index",
    ),
    "another scan has not moved": Break(
        "mesh/displacement.py",
        "np.where(far[:, None] < _FARTHEST_MM, distance * n, 0)",
        "np.where(far[:, None] < 0, distance * n, 0)",
        "mesh/test_strain.py -k other_scans",
    ),
    # Time.
    "padding counts in the mean of frames": Break(
        "models/temporal.py",
        "jnp.where(present, features, 0).sum(axis=1) / present.sum(axis=1)",
        "features.mean(axis=1)",
        "models/test_temporal.py -k padding",
    ),
    "attention looks at padding": Break(
        "models/temporal.py",
        "jnp.where(present[:, :, None, None], query(hidden), -jnp.inf)",
        "query(hidden)",
        "models/test_temporal.py -k padding",
    ),
    "frames are taken to be one second apart": Break(
        "data/frames.py",
        "time_s[chosen] - time_s[chosen[0]]",
        "np.arange(len(chosen))",
        "data/test_frames.py",
    ),
    "the apex is the middle": Break(
        "data/frames.py",
        "motion[chosen].argmax()",
        "len(chosen) // 2",
        "data/test_frames.py",
    ),
    "a head that turns has moved its face": Break(
        "mesh/displacement.py",
        "self._moved(mesh, head or self.head_of(mesh))",
        "self._moved(mesh, RigidMotion(np.eye(3), np.zeros(3)))",
        "mesh/test_displacement.py",
    ),
    "one expression is found twice": Break(
        "evaluation/spotting_scores.py",
        "j not in taken[1]",
        "True",
        "evaluation/test_spotting.py",
    ),
    "a recording's labels are scored video by video": Break(
        "evaluation/spotting_scores.py",
        "self.labelled + other.labelled",
        "max(self.labelled, other.labelled)",
        "evaluation/test_spotting.py",
    ),
    "a label that nobody has is left out": Break(
        "evaluation/multilabel.py",
        '"macro_f1": float(f1.mean())',
        '"macro_f1": float(f1[there].mean())',
        "evaluation/test_multilabel.py",
    ),
    "the skin moves as the head does": Break(
        "mesh/displacement.py",
        "(head or self.head_of(mesh))(",
        "RigidMotion(np.eye(3), np.zeros(3))(",
        "mesh/test_strain.py",
    ),
    "strain is in millimetres": Break(
        "mesh/displacement.py",
        "((after - before) / np.maximum(before, 1e-6)) ** 2",
        "(after - before) ** 2",
        "mesh/test_strain.py",
    ),
    "a changed method keeps its numbers": Break(
        "evaluation/suite_runs.py",
        'whole and found["digest"] == self.digest',
        "whole",
        "evaluation/test_suite.py",
    ),
    "mae: the tower looks at what it guesses": Break(
        "models/masked_decoder.py",
        "images * seen[..., None].astype(images.dtype)",
        "images",
        "objectives/test_mae.py",
    ),
    "mae: what is seen is guessed too": Break(
        "models/masked_decoder.py",
        "hide = 1 - _is_kept(kept, patches)",
        "hide = 0 * _is_kept(kept, patches) + 1",
        "objectives/test_mae.py",
    ),
    "a trial is scored on test people": Break(
        "evaluation/protocols.py",
        "data.validation_fold, plan.validation_records",
        "data.validation_fold, plan.test_records",
        "evaluation/test_validation_protocol.py",
    ),
    "another version of a method keeps its rows": Break(
        "evaluation/suite_runs.py",
        "            _versions(OBJECTIVES[config.objective.name]),",
        "            [],",
        "evaluation/test_suite.py",
    ),
    "another evaluation keeps its rows": Break(
        "evaluation/suite_runs.py",
        "[VERSION, self.protocol,",
        "[self.protocol,",
        "evaluation/test_suite.py",
    ),
    "an interval knows no seeds": Break(
        "evaluation/significance.py",
        "    if of_runs < twice:",
        "    if True:",
        "evaluation/test_significance.py -k false_alarms",
    ),
    "few runs spread less than they do": Break(
        "evaluation/significance.py",
        "float(scores.var(ddof=1)) / count",
        "float(scores.var()) / count",
        "evaluation/test_significance.py",
    ),
    "fewer people are other people": Break(
        "training/run_plan.py",
        "default_rng([config.seed, 2])",
        "default_rng([config.seed, count])",
        "training/test_plan.py",
    ),
    "a view that is missing is asked": Break(
        "evaluation/missing_views.py",
        "probe(views.test(i))",
        "probe(fold.features[fold.split :])",
        "evaluation/test_probes.py",
    ),
    "what took a second was quick": Break(
        "faces/captions.py",
        "time[high] - time[low] <= _QUICK",
        "time[high] - time[low] <= _SLOW",
        "faces/test_captions.py",
    ),
    "clips of one dataset are scored as another's": Break(
        "evaluation/clip_set.py",
        "before + np.searchsorted(last, test)",
        "np.searchsorted(last, test)",
        "evaluation/test_evaluate.py",
    ),
    # Files of other people.
    "the first image paints all faces": Break(
        "mesh/obj.py",
        "face_materials=of_use[used[:m]] if several else None",
        "face_materials=None",
        "mesh/test_materials.py -k each_face",
    ),
    "a mesh opens whatever it names": Break(
        "mesh/texture_paths.py",
        "return _absolute(place).is_relative_to(_absolute(self.within))",
        "return True",
        "mesh/test_materials.py -k outside",
    ),
    "morph weights are ignored": Break(
        "mesh/gltf.py",
        "vertices += float(weight) * moved",
        "vertices += 0 * moved",
        "mesh/test_materials.py -k morph",
    ),
    "normalised positions stay whole numbers": Break(
        "mesh/gltf.py",
        'if one.get("normalized") and kind.kind in "iu":',
        "if False:",
        "mesh/test_materials.py -k normalised",
    ),
    "transforms of a scene are ignored": Break(
        "mesh/vrml.py",
        "matrix = matrix @ _matrix(node)",
        "matrix = matrix @ np.eye(4)",
        "mesh/test_materials.py -k transform",
    ),
    "images of 16 bits are cut off at 255": Break(
        "mesh/render.py",
        'if image.mode[0] in "IF":',
        'if image.mode[0] in "Q":',
        "mesh/test_materials.py -k 8_bits",
    ),
    "a sensor's noise stays": Break(
        "mesh/depth_image.py",
        "if noise > _QUIET:",
        "if noise > 1e9:",
        "mesh/test_scanners.py -k noise",
    ),
    "frames are numbered by their place": Break(
        "inference/preprocessing.py",
        "numbers=clip.numbers",
        "numbers=None",
        "inference/test_recognizer.py -k numbered",
    ),
    "what was answered is asked again": Break(
        "inference/answer_file.py",
        "for line in lines[1:]:",
        "for line in lines[:0]:",
        "inference/test_answer_file.py -k gone_on",
    ),
    "who is left out may be nobody": Break(
        "data/scan_builder.py",
        "if nobody:",
        "if False:",
        "data/test_mesh_folder.py -k left_out",
    ),
    "two spellings are two people": Break(
        "data/scan_builder.py",
        'unicodedata.normalize("NFKC", name).casefold()',
        "name",
        "data/test_mesh_folder.py -k spelling",
    ),
    "people of every class folder are sequences": Break(
        "data/folder_layout.py",
        'roles(known | dict.fromkeys(names, "subject"))',
        'roles(known | dict.fromkeys(names, "sequence"))',
        "data/test_folder_layout.py",
    ),
    "a task of BP4D+ is labelled as one of BP4D": Break(
        "faces/class_spellings.py",
        '"T3": "sad"',
        '"T3": "surprise"',
        "data/test_delivered.py -k tasks",
    ),
    "landmark files are numbered the other way": Break(
        "data/landmark_sources.py",
        "number - offset for number in second",
        "number + offset for number in second",
        "data/test_delivered.py -k offset",
    ),
    # Families, randomised scans and mixtures.
    "a shape without sides is on both at once": Break(
        "faces/families/recipes.py",
        "part = part * weight[:, None]",
        "part = part * 0.5",
        "faces/test_families.py -k divides",
    ),
    "units that the viewer names are taken for the face's": Break(
        "faces/families/recipes.py",
        "full = name.format(side=side, other=other, left=left, right=right)",
        "full = name.format(side=side, other=side, left=left, right=right)",
        "faces/test_families.py -k divides",
    ),
    "MakeHuman's old are mixed in as the young": Break(
        "faces/families/makehuman.py",
        "ages = {name: float(np.interp(years, known, row)) for name, row in rows}",
        "ages = {name: float(name == 'young') for name, row in rows}",
        "faces/test_families.py -k product",
    ),
    "a sampled surface joins what only touches": Break(
        "faces/randomization.py",
        "    label = np.full(len(where) + 1, -1)\n",
        "    from scipy.spatial import KDTree\n\n"
        "    owner = seeds[KDTree(where[seeds]).query(where)[1]]\n"
        "    label = np.full(len(where) + 1, -1)\n",
        "faces/test_randomization.py -k apart",
    ),
    "a scan's landmarks keep the size that the person has not": Break(
        "faces/sampling.py",
        "            vertices = self.subject.scale * vertices\n"
        "            landmarks = vertices[self.model.landmarks] @ rotation.T + "
        "self.shift\n",
        "            landmarks = vertices[self.model.landmarks] @ rotation.T + "
        "self.shift\n"
        "            vertices = self.subject.scale * vertices\n",
        "faces/test_randomization.py -k sizes",
    ),
    "two datasets' people of one name are one person": Break(
        "data/mixture.py",
        "[_prefixed(d.people, d.subjects) for d in datasets]",
        "[d.subjects for d in datasets]",
        "data/test_mixture.py -k side_by_side",
    ),
    "a mixture's classes keep their numbers": Break(
        "data/mixture.py",
        "[d.labels_over(classes) for d in datasets]",
        "[d.labels for d in datasets]",
        "data/test_mixture.py -k by_name",
    ),
    "a dataset's order depends on what is mixed in": Break(
        "data/mixture.py",
        "number = period * self._each[part] + self._before[slot, part]",
        "number = block",
        "data/test_mixture.py -k order",
    ),
    "datasets take turns anew after a stop": Break(
        "data/pipeline.py",
        "    if isinstance(dataset, MixedDataset) or person_block > 1:\n"
        "        order = _order(dataset, records, person_block, seed)\n",
        "    if isinstance(dataset, MixedDataset) or person_block > 1:\n"
        "        order = _order(dataset, records, person_block, seed + first_step)\n",
        "data/test_mixture.py -k goes_on",
    ),
    "clips of other datasets stay negatives": Break(
        "losses/caption_alignment.py",
        "    padding = jnp.where(there > 0, 0.0, -jnp.inf).astype(fused.dtype)\n",
        "    padding = jnp.where(all_weights[None] > 0, 0.0, -jnp.inf)\n",
        "losses/test_terms.py -k groups",
    ),
}


def unbroken(tests: str) -> None:
    """Raises where the tests fail without any mistake: they would catch anything."""
    code, lines = run_tests(ROOT, tests)
    if code:
        raise RuntimeError(f"{tests} fails as it is:\n" + "\n".join(lines[-5:]))


def run_tests(tree: pathlib.Path, tests: str) -> tuple[int, list[str]]:
    """Exit status and lines of pytest on some tests of a tree."""
    files, _, chosen = tests.partition(" -k ")
    words = [f"tests/{file}" for file in files.split()]
    if chosen:
        words += ["-k", chosen]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", *words],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def try_break(name: str) -> tuple[str, bool, float, str]:
    """Makes a break in a copy; returns its name, whether it is caught, seconds, how."""
    b = BREAKS[name]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        for part in ("smile_jax", "experiments", "tfds_builders", "tests", "docs"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, tree / part, ignore=ignored)
        for file in ("setup.cfg", "pyproject.toml", "README.md", "Makefile"):
            shutil.copy(ROOT / file, tree / file)
        path = tree / "smile_jax" / b.path
        path.write_text(broken(path.read_text(), b))
        _, lines = run_tests(tree, b.tests)
    failed = [
        line for line in lines if line.startswith(("FAILED tests", "ERROR tests"))
    ]
    how = failed[0].split(" - ")[0] if failed else ""
    return name, bool(failed), time.perf_counter() - started, how


def broken(text: str, b: Break) -> str:
    """The file with the mistake in it."""
    assert text.count(b.old) == 1, f"{b.path}: {b.old!r} is there {text.count(b.old)} x"
    return text.replace(b.old, b.new)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of breaks; all by default")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    names = options.names or list(BREAKS)
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(unbroken, sorted({BREAKS[name].tests for name in names})))
        for name, caught, seconds, how in pool.map(try_break, names):
            missed += not caught
            word = "caught" if caught else "MISSED"
            print(f"| {name} | {word} | {seconds:.0f} s | {how} |", flush=True)
    sys.exit(f"{missed} missed" if missed else 0)


if __name__ == "__main__":
    main()
