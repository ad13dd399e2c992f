"""Every key, its meaning, unit and default. Experiments import and override this."""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    c = ConfigDict()
    c.seed = 0  # root of all randomness of the run

    c.data = d = ConfigDict()
    d.dir = ""  # <data_dir>/<name>/<config> of a built dataset
    d.clip = "views"  # feature to train on: "views" (frames) or "dynamic"
    d.classes = ("anger", "disgust", "fear", "happy", "sad", "surprise")
    d.inputs = ("texture", "depth", "normals")  # channel groups that the model sees
    d.views = 3  # V, views of a step, drawn from the dataset's
    d.folds = 5  # subject-independent test folds
    d.fold = 0  # the fold that is held out, 0 to folds - 1
    d.fold_seed = 0  # of the assignment of subjects to folds
    d.threads = 2  # that read and decode in the training process
    d.workers = 0  # processes that read and decode, 0 for none

    c.augment = a = ConfigDict()  # see smile_jax.data.augment; 0 switches one off
    a.scale = 0.1  # zoom in or out, natural logarithm of the largest factor
    a.shift = 0.06  # share of the image, each way
    a.gain = 0.2  # relative intensity of the texture
    a.bias = 0.1  # of the texture, pixels in [0, 1]
    a.noise = 0.03  # standard deviation, pixels in [0, 1]
    a.erase = 0.35  # largest side of the erased rectangle, share of the image
    a.patch_dropout = 0.0  # share of the patches that the tower does not see
    a.relight = True  # light the texture from the normals
    a.light_angle_deg = 60.0  # largest angle between light and camera, degrees
    a.ambient = 0.5  # largest ambient share, 0 to 1
    a.specular = 0.3  # largest strength of the highlight, 0 to 1

    c.model = m = ConfigDict()
    m.temporal = "attention"  # pooling over frames: "attention" or "mean"
    m.projector_dim = 1024  # D; keep it at most 8 batches
    m.embed_dim = 256  # E, joint space
    m.logit_scale_init = 1 / 0.07  # exp(logit_scale) at the start
    m.redundancy = "whitened"  # term 3: "whitened", "private" or "literal"
    m.pretrained = ""  # CLIP or SigLIP, hub name or folder: both towers, their sizes
    m.pretrained_text = ""  # text tower alone, e.g. a MiniLM; embed_dim becomes its own
    m.start_from = ""  # workdir of a run whose towers and parameters this one takes
    m.vision = v = ConfigDict()  # sizes: of a tower from scratch only
    v.patch_size = 16  # pixels
    v.width = 384
    v.depth = 12
    v.heads = 6
    v.mlp_width = 1536
    v.stem = "patch"  # "patch" (CLIP) or "conv" (learns faster on little data)
    v.pool = "class"  # "class", "mean" or "attention"
    v.activation = "gelu"  # "gelu", "gelu_tanh" or "quick_gelu"
    v.pre_norm = True  # CLIP's norm before the first block
    v.dtype = "float32"  # of activations: "float32" or "bfloat16"
    v.remat = "none"  # what the backward pass recomputes: "none", "cheap" or "full"
    v.scan = False  # all blocks but the last as one loop to the compiler
    v.attention = "auto"  # "xla", "cudnn" (fused, NVIDIA), or which fits
    m.text = t = ConfigDict()  # sizes: of a tower from scratch only
    t.vocab_size = 16384  # ids that words are hashed to
    t.context_length = 32  # tokens (words)
    t.width = 128
    t.depth = 2
    t.heads = 4
    t.mlp_width = 512
    t.activation = "gelu"  # "gelu", "gelu_tanh" or "quick_gelu"
    t.dtype = "float32"  # of activations: "float32" or "bfloat16"
    t.remat = "none"
    t.scan = False
    t.attention = "auto"

    c.tune = u = ConfigDict()  # "full", "lora", "last" or "frozen" for each tower
    u.vision = "full"
    u.text = "frozen"  # one that starts random stays random
    u.last_blocks = 4  # of "last": these and what follows them
    u.lora_rank = 8  # of "lora"
    u.lora_alpha = 16.0  # of "lora": the product counts alpha / rank times
    u.layer_decay = 1.0  # factor on the learning rate for each block further down

    # Where an example's text is from. "weak": the prompts of its class, which uses
    # labels of training subjects; "captions": the dataset's; "pseudo": an averaged
    # model's zero-shot guess, no labels; "none": term 1 only, no labels.
    c.text_source = "weak"
    c.prompts = q = ConfigDict()
    q.file = ""  # YAML file of prompts, "" for smile_jax/data/prompts.yaml
    q.style = "all"  # "plain" words, "facs" (what muscles do) or "all"
    q.view_aware = False  # also prompts that name the view, for single views
    c.pseudo = e = ConfigDict()  # of text source "pseudo"
    e.warmup = 0.1  # share of all steps with term 1 alone
    e.momentum = 0.99  # of the moving average of predictions
    e.temperature = 0.5  # below 1 sharpens targets
    e.align = True  # pull predictions towards the frequencies below
    e.frequencies = ()  # of data.classes; () is uniform: for sets balanced by design
    e.sinkhorn_steps = 0  # balance every batch on its own; 0 uses the moving average
    c.objective = ConfigDict()
    c.objective.name = "smile"  # a method of `smile_jax.objectives`
    c.loss = w = ConfigDict()  # each method takes the keys that it has fields for
    w.decorrelation = 1.0  # weight of term 1
    w.alignment = 1.0  # weight of term 2
    w.redundancy = 0.1  # weight of term 3
    w.off_diagonal = 0.0051  # lambda of terms 1 and 3
    w.alignment_over = "bank"  # term 2: the prompt "bank", or "pairs" in the batch
    w.text_to_image = 0.5  # weight of text-to-image inside term 2
    w.form = "auto"  # of term 1: "auto", "gram" (B x B) or "full" (D x D)
    w.temperature = 0.1  # of "infonce"
    w.invariance = 25.0  # weights of "vicreg"
    w.variance = 25.0
    w.covariance = 1.0
    w.num_action_units = 22  # of "action_units": columns of the records' feature

    c.optimizer = o = ConfigDict()  # AdamW
    o.learning_rate = 5e-4  # peak
    o.final_rate = 0.01  # at the end, share of the peak
    o.warmup = 0.05  # share of all steps
    o.weight_decay = 0.05
    o.beta1 = 0.9
    o.beta2 = 0.95
    o.clip_norm = 1.0  # of the global gradient
    o.ema_decay = 0.99  # of the parameters' moving average

    c.train = r = ConfigDict()
    r.batch_size = 256  # B, over all devices
    r.micro_batches = 1  # parts of a device's batch that towers see in turn: memory
    r.shard_moments = False  # AdamW's moments in pieces, one a device (ZeRO-1): memory
    r.steps = 0  # duration: exactly one of these two, the other 0
    r.epochs = 0.0
    r.stop_after_steps = 0  # stop early, schedule unchanged; 0 runs to the end
    r.log_every = 20  # steps
    r.checkpoint_every = 200  # steps
    r.keep_checkpoints = 2

    c.evaluation = e = ConfigDict()
    e.batch_size = 256  # over all local devices
    e.parameters = "ema"  # "ema" or "params"
    e.pca_components = 128  # of the pixel baseline
    return c.lock()  # a typo in an experiment names the nearest key
