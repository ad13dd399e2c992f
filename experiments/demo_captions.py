"""The demo without labels: procedural faces told by captions, on two CPU cores.

    make demo
"""

from experiments import demo


def learn_from_captions(c):
    """Of a config: its text is what was measured, and no label is seen."""
    c.text_source = "captions"
    c.loss.alignment_over = "pairs"
    c.loss.pair_width = 1.0
    c.loss.redundancy = 0.0  # it decomposes all texts, of which there are thousands
    c.prompts.phrasings = 12
    c.prompts.style = "actions"  # captions speak of muscles, not of emotions


def get_config():
    c = demo.get_config()
    c.data.dir = "data/synthetic_faces/static_captions"
    c.model.text.context_length = 96  # of a face that does a lot at once
    learn_from_captions(c)
    c.prompts.phrasings = 1  # a random text tower knows no other words for anything
    return c
