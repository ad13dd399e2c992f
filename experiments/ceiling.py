"""The best accuracy that the generated performances allow: no picture is rendered.

    python -m experiments.ceiling

Logistic regression on the true weights of all actions, of performances drawn as the
generated datasets draw them; half of them are tested on. Of `blended`, in which another
expression mixes in, beside what nobody can exceed.
"""

import numpy as np
from absl import flags
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from smile_jax.core import command_line
from smile_jax.data.face_model_builder import BLENDED
from smile_jax.faces import EXPRESSIONS, Difficulty, load_face_model
from smile_jax.faces.expressions import blend_ceiling
from smile_jax.faces.sampling import sample_clip, sample_subject

_CLIPS = flags.DEFINE_integer("clips", 4000, "Performances of each kind.", 100)
_SIX = tuple(name for name in EXPRESSIONS if name != "neutral")


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    print("| performances | by their true weights | nobody exceeds |\n|---|---|---|")
    for intensity in (1, 2, 3, 4):
        found = accuracy(Difficulty(), (intensity,))
        print(f"| `static`, intensity {intensity} | {found:.3f} | 1 |", flush=True)
    found = accuracy(BLENDED.difficulty, BLENDED.intensities)
    most = blend_ceiling(BLENDED.difficulty.blend)
    print(f"| `blended` | {found:.3f} | {most:.3f} |")


def accuracy(difficulty: Difficulty, intensities: tuple[int, ...]) -> float:
    """Returns a probe's accuracy on performances that it was not fitted to."""
    model = load_face_model("")
    rng = np.random.default_rng(0)
    person = sample_subject(model, rng, difficulty)
    labels = np.arange(_CLIPS.value) % len(_SIX)
    clips = [
        sample_clip(model, person, _SIX[k], rng.choice(intensities), rng, difficulty)
        for k in labels
    ]
    names = sorted({name for clip in clips for name in clip.course})
    weights = np.array(
        [[clip.course.get(name, np.zeros(1))[0] for name in names] for clip in clips]
    )
    half = len(labels) // 2
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(weights[:half], labels[:half])
    return probe.score(weights[half:], labels[half:])


if __name__ == "__main__":
    command_line.run(main)
