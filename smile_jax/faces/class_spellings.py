"""The spelling of each dataset's classes in its file and folder names."""

BU3DFE = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}
BU3DFE_ETHNICITIES = {
    "WH": "white",
    "BL": "black",
    "AE": "east_asian",
    "AM": "middle_east_asian",
    "IN": "indian",
    "LA": "hispanic_latino",
}
BU4DFE = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happy",
    "Sad": "sad",
    "Surprise": "surprise",
}
BOSPHORUS = {
    "ANGER": "anger",
    "DISGUST": "disgust",
    "FEAR": "fear",
    "HAPPY": "happy",
    "SADNESS": "sad",
    "SURPRISE": "surprise",
}
# What the tasks of BP4D and of BP4D+ are meant to elicit, as public readers of them
# have it: of BP4D two groups, of BP4D+ one (Canavan et al.). The two sets agree in T1
# alone. Of BP4D+, T4 (startled), T5 (sceptical), T6 (embarrassed) and T8 (pain) are
# none of the six. Who knows better sets the config's `task_expressions`.
BP4D_TASKS = {
    "T1": "happy",
    "T2": "sad",
    "T3": "surprise",
    "T5": "fear",
    "T7": "anger",
    "T8": "disgust",
}
BP4D_PLUS_TASKS = {
    "T1": "happy",
    "T2": "surprise",
    "T3": "sad",
    "T7": "fear",
    "T9": "anger",
    "T10": "disgust",
}
COMA = (
    "bareteeth", "cheeks_in", "eyebrow", "high_smile", "lips_back", "lips_up",
    "mouth_down", "mouth_extreme", "mouth_middle", "mouth_open", "mouth_side",
    "mouth_up",
)  # fmt: skip
FACESCAPE = (
    "neutral", "smile", "mouth_stretch", "anger", "jaw_left", "jaw_right",
    "jaw_forward", "mouth_left", "mouth_right", "dimpler", "chin_raiser",
    "lip_puckerer", "lip_funneler", "sadness", "lip_roll", "grin", "cheek_blowing",
    "eye_closed", "brow_raiser", "brow_lower",
)  # fmt: skip
FOUR_DME = ("positive", "negative", "surprise", "repression", "others")
# From memory, the union of what the release of 4DME codes; another one is an error that
# says so.
FOUR_DME_UNITS = (
    1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 23, 24, 25, 26, 28, 38, 43,
)  # fmt: skip
GENDERS = {"F": "female", "M": "male"}
