"""ICT-FaceKit's scan-derived heads at 64 pixels, on two CPU cores.

HEADER
"""

from experiments import demo


def get_config():
    c = demo.get_config()
    c.data.dir = "data/ict_faces/static"
    c.data.fold = 0  # never used for a choice on these faces
    c.train.epochs = 60.0
    return c
