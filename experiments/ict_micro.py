"""wip"""

from experiments import ict_minilm


def get_config():
    c = ict_minilm.get_config()
    c.data.dir = "data/ict_faces/micro_magnified"
    c.data.classes = ("positive", "negative", "surprise", "repression", "others")
    c.data.inputs = ("depth", "normals")
    c.data.views = 2
    c.augment.relight = False
    c.augment.bias = 0.0
    c.model.temporal = "dynamic"
    c.text_source = "several"
    c.loss.alignment_over = "each"
    c.loss.redundancy = 0.0
    c.train.epochs = 60.0
    c.optimizer.ema_decay = 0.99
    return c
