"""Motion that is left in a dynamic image: stored in 8 bits, and as it is now.

    python -m experiments.benchmarks.dynamic_images [--ict=ARCHIVE] [--subjects=40]

The same performances of generated faces are given at several strengths, 1 as they are
posed and 0.1 as in a micro-expression, and at strength 0, where only the head drifts
and the scanner is noisy. Prints, for each strength, what the expression moves in levels
of 8 bits (rms over the face), what rounding to 8 bits adds, and the accuracy of a
linear probe on principal components of pixels, on people held out, for pixels as a
network sees them in training: `before` are 8 bits as they are stored, `after` is 16
bits amplified, each with the noise of the default augmentation and without.
"""

import json
import pathlib

import numpy as np
from absl import app, flags
from sklearn.decomposition import PCA

from smile_jax.config.default import AugmentKeys, DataKeys
from smile_jax.core.workers import run_everywhere
from smile_jax.data.augment import amplified
from smile_jax.data.channels import channel_slices
from smile_jax.data.examples import Sequence4D, make_example
from smile_jax.data.face_model_builder import Performance
from smile_jax.data.records import as_shares
from smile_jax.data.schema import FacesConfig
from smile_jax.evaluation.linear_probe import linear_probe
from smile_jax.faces import EXPRESSIONS, Difficulty

_ICT = flags.DEFINE_string("ict", "", "ICT-FaceKit tree or archive; else procedural.")
_SUBJECTS = flags.DEFINE_integer("subjects", 40, "People; a quarter is held out.")
_FRAMES = flags.DEFINE_integer("frames", 12, "Frames of a sequence.")
_EXPRESSIONS = [name for name in EXPRESSIONS if name != "neutral"]
_STRENGTHS = (1.0, 0.3, 0.1, 0.05)
_COMPONENTS = 128
_CONFIG = FacesConfig(
    name="generated",
    frames=0,
    dynamic=True,
    framing="face",
    yaws_deg=(-30.0, 0.0, 30.0),
)


def performance(person: int, expression: int, strength: float) -> Sequence4D:
    """Returns a performance that differs from the others by its strength alone."""
    frames = Performance(
        source=_ICT.value, family="", identity_modes=None, person_seed=person,
        seed=1000 * person + expression, expression=_EXPRESSIONS[expression],
        intensity=4, difficulty=Difficulty(strength=strength), num_frames=_FRAMES.value,
    )  # fmt: skip
    labels = {"subject": str(person), "expression": expression}
    return Sequence4D(key=f"{person} {expression}", frames=frames, labels=labels)


def dynamic_images(strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """uint16 (n, V, H, W, C), their expressions and subjects."""
    sequences = [
        performance(person, expression, strength)
        for person in range(_SUBJECTS.value)
        for expression in range(len(_EXPRESSIONS))
    ]
    made = run_everywhere(make_example, sequences, _CONFIG)
    examples = [m.example for m in made if m.example is not None]
    assert len(examples) == len(sequences), "every generated face can be read"
    return (
        np.stack([e["dynamic"][0] for e in examples]),
        np.array([e["expression"] for e in examples]),
        np.array([e["subject"] for e in examples]),
    )


def levels(images: np.ndarray) -> np.ndarray:
    """Rounds images to 8 bits."""
    return 255 * as_shares(images)


def rms(x: np.ndarray, face: np.ndarray, channels: slice) -> float:
    """Returns the root mean square of some channels of a face."""
    return float(np.sqrt(np.mean(x[..., channels][face] ** 2)))


def accuracy(pixels, noise, labels, subjects) -> float:
    """Returns the accuracy on clean pixels of a probe fitted on noisy ones."""
    held_out = np.isin(subjects, np.unique(subjects)[::4])
    flat = pixels.reshape(len(pixels), -1)
    draws = np.random.default_rng(0).standard_normal(flat.shape, np.float32)
    train = flat[~held_out] + noise * draws[~held_out]
    pca = PCA(min(_COMPONENTS, len(train) - 1), random_state=0).fit(train)
    told = linear_probe(
        pca.transform(train),
        labels[~held_out],
        subjects[~held_out],
    )
    answers = told(pca.transform(flat[held_out]))
    return round(float(np.mean(answers == labels[held_out])), 3)


def main(_: list[str]) -> None:
    """Runs the experiment."""
    still, labels, subjects = dynamic_images(0.0)
    face = (still != still[:, :, :1, :1]).any(axis=-1)
    slices = channel_slices(_CONFIG.channels)
    noise, gain = AugmentKeys().noise, DataKeys().dynamic_gain
    rows = []
    for strength in _STRENGTHS:
        images, _, _ = dynamic_images(strength)
        moved = levels(images) - levels(still)
        rounded = levels(images).round()
        seen = {
            "before": rounded / 255,
            "after": amplified(as_shares(images), gain),
        }
        row = {
            "strength": strength,
            "levels": {
                name: round(rms(moved, face, slices[name]), 3) for name in slices
            },
            "rounding": round(
                rms(rounded - levels(images), face, slices["normals"]), 3
            ),
            "seen_std": round(float(seen["after"][face].std()), 3),
            "bounded": round(
                float(np.mean(np.abs(seen["after"][face] - 0.5) == 0.5)), 4
            ),
        }
        for when, pixels in seen.items():
            row[when] = accuracy(pixels, 0.0, labels, subjects)
            row[f"{when}_noisy"] = accuracy(pixels, noise, labels, subjects)
        rows.append(row)
        print(json.dumps(row), flush=True)
    nuisance = levels(still) - 127.5
    print(
        json.dumps(
            {
                "benchmark": "dynamic_images",
                "face_model": pathlib.Path(_ICT.value).name or "procedural",
                "subjects": _SUBJECTS.value,
                "frames": _FRAMES.value,
                "gain": gain,
                "noise": noise,
                "levels_of_drift": {
                    name: round(rms(nuisance, face, slices[name]), 3) for name in slices
                },
                "rows": rows,
            }
        )
    )


if __name__ == "__main__":
    app.run(main)
