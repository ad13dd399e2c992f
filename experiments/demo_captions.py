"""The demo: MakeHuman's heads on two CPU cores, without labels.

    make demo

What each scan does is measured against the median of its person's scans, said in words
and learned from; no expression label is seen. 20 held-out people, six expressions,
chance 0.167: linear probe 0.681, 10-NN 0.681, zero-shot 0.633; random_init 0.306,
pixels_pca 0.517 (linear probes, which use labels of 80 people). The nearest other clip
shows the same person in 0.404 of cases (random_init 0.775). 9 minutes on two cores,
from the build to the report. One seed, one fold; other machines, which round otherwise,
move such scores by 0.02 to 0.03. With labels: experiments/demo.py. The same on
procedural heads, whose expressions are larger and whose people are more alike:
experiments/procedural_captions.py.
"""

from smile_jax.experiments import demo


def learn_from_captions(c):
    """Makes a config learn from measured captions, without any label."""
    c.text_source = "captions"
    c.objective.smile.alignment_over = "pairs"
    c.objective.smile.pair_width = 1.0
    c.objective.smile.redundancy = (
        0.0  # it decomposes all texts, of which there are thousands
    )
    c.prompts.phrasings = 12
    c.prompts.style = "actions"  # captions speak of muscles, not of emotions


def get_config():
    """Returns the experiment's config."""
    c = demo.get_config()
    c.model.text.context_length = 96  # of a face that does a lot at once
    learn_from_captions(c)
    c.prompts.phrasings = 1  # a random text tower knows no other words for anything
    return c
