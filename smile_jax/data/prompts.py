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
    # 4DME
    "positive": ["a face with a positive emotion", "a face that hints at a smile"],
    "negative": ["a face with a negative emotion", "a face with tense brows or lips"],
    "repression": ["a face that hides an emotion", "a face with pressed lips"],
    "others": ["a face with another emotion", "a face with a slight movement"],
    # CoMA
    "bareteeth": ["a face baring its teeth", "a face with lips drawn off the teeth"],
    "cheeks_in": ["a face sucking its cheeks in", "a face with hollow cheeks"],
    "eyebrow": ["a face moving its eyebrows", "a face with raised and lowered brows"],
    "high_smile": ["a face with a high smile", "a face with lip corners pulled far up"],
    "lips_back": ["a face pulling its lips back", "a face with stretched lips"],
    "lips_up": ["a face lifting its lips", "a face with lips pushed up"],
    "mouth_down": ["a face pulling its mouth down", "a face with mouth corners down"],
    "mouth_extreme": ["a face with its mouth wide open", "a face stretching its mouth"],
    "mouth_middle": ["a face with its mouth half open", "a face parting its lips"],
    "mouth_open": ["a face opening its mouth", "a face with its jaw dropped"],
    "mouth_side": ["a face moving its mouth sideways", "a face with a mouth askew"],
    "mouth_up": ["a face pushing its mouth up", "a face with a raised lower lip"],
    # FaceScape
    "smile": ["a smiling face", "a face with lip corners pulled up"],
    "mouth_stretch": ["a face stretching its mouth", "a face with its jaw wide open"],
    "jaw_left": [
        "a face moving its jaw to the left",
        "a face with its chin to the left",
    ],
    "jaw_right": ["a face moving its jaw right", "a face with its chin to the right"],
    "jaw_forward": ["a face pushing its jaw forward", "a face with its chin forward"],
    "mouth_left": ["a face moving its mouth left", "a face with lips to the left"],
    "mouth_right": ["a face moving its mouth right", "a face with lips to the right"],
    "dimpler": ["a face with dimples", "a face with tightened lip corners"],
    "chin_raiser": ["a face raising its chin", "a face with a pushed up lower lip"],
    "lip_puckerer": ["a face puckering its lips", "a kissing face"],
    "lip_funneler": ["a face funneling its lips", "a face with lips rounded forward"],
    "sadness": ["a sad face", "a face with lip corners pulled down"],
    "lip_roll": ["a face rolling its lips in", "a face hiding its lips"],
    "grin": ["a grinning face", "a face with a wide smile that shows the teeth"],
    "cheek_blowing": ["a face blowing its cheeks", "a face with puffed cheeks"],
    "eye_closed": ["a face with closed eyes", "a face with lowered eyelids"],
    "brow_raiser": ["a face raising its brows", "a face with lifted eyebrows"],
    "brow_lower": ["a face lowering its brows", "a frowning face"],
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
