"""Prompts: several descriptions of each expression class.

The paper has them written by a language model and prints one example, "a surprised
face"; the words here are this project's own.
"""

from collections.abc import Sequence

_DESCRIPTIONS = {
    "anger": ["an angry face", "a face with lowered brows and pressed lips"],
    "disgust": ["a disgusted face", "a face with a wrinkled nose and raised lip"],
    "fear": ["a fearful face", "a face with raised brows and stretched lips"],
    "happy": ["a happy face", "a smiling face with raised cheeks"],
    "sad": ["a sad face", "a face with lip corners pulled down"],
    "surprise": ["a surprised face", "a face with raised brows and dropped jaw"],
    "neutral": ["a neutral face", "a face with no expression"],
}

_TEMPLATES = ["{}", "a 3D scan of {}"]


def class_prompts(classes: Sequence[str]) -> list[list[str]]:
    """Prompts of each class: every description in every template.

    Raises:
      ValueError: a class without descriptions, named.
    """
    unknown = [name for name in classes if name not in _DESCRIPTIONS]
    if unknown:
        raise ValueError(
            f"no prompts for the classes {unknown}; known: {', '.join(_DESCRIPTIONS)}"
        )
    return [
        [
            template.format(text)
            for text in _DESCRIPTIONS[name]
            for template in _TEMPLATES
        ]
        for name in classes
    ]
