"""Our towers against transformers' PyTorch models, on the same weights and inputs."""

import dataclasses
import importlib.util
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jaxtyping import Array, Float, Int

from smile_jax.core.batch_statistics import normalize
from smile_jax.models.pretrained.hub import locate
from smile_jax.models.pretrained.load import load_pretrained, params_of
from smile_jax.models.pretrained.tokenizer import PretrainedTokenizer
from smile_jax.models.pretrained_towers import Towers, TowersConfig

# Texts that tokenizers are known to stumble over.
HARD_TEXTS = (
    "a happy face",
    "A HAPPY Face!!",
    "  leading, trailing   and  double spaces ",
    "don't, she'll, I've, we're",
    "naïve café, Ångström, façade",
    "ﬁne ligatures ½ and ² and ①",
    "emoji 😀👩‍👩‍👧 and flags 🇩🇪",
    "日本語の顔 и русское лицо",
    "tabs\tand\nnew lines",
    "numbers 3.14159, 1,000,000 and 0x1F",
    "html &amp; &lt;entities&gt;",
    "supercalifragilisticexpialidocious",
    "raised inner brows (AU1+AU2), jaw dropped (AU26)",
    "zero\u200bwidth and\u00a0hard spaces",
    "?!\u2026\u2014\u2013\u2018\u2019\u201c\u201d",
)


@dataclasses.dataclass(frozen=True)
class Parity:
    """Largest relative errors of one model; None for what it does not have.

    Each is max |a - b| / max |b| over an array; `gradient` is the worst over all
    parameters.
    """

    family: str
    image: float | None
    text: float | None
    logits: float | None
    gradient: float
    tokenizer_equal: bool | None

    def within(self, tolerance: float) -> bool:
        """Returns True if every error is at most the tolerance; NaN is not."""
        errors = (self.image, self.text, self.logits, self.gradient)
        return self.tokenizer_equal is not False and all(
            e <= tolerance for e in errors if e is not None
        )


def torch_installed() -> bool:
    """Returns True if PyTorch is there to compare with."""
    return importlib.util.find_spec("torch") is not None


def compare(
    name_or_dir: str | pathlib.Path,
    *,
    image_size: int | None = None,
    dtype: str = "float32",
    batch: int = 3,
    seed: int = 0,
) -> Parity:
    """Features, logits and gradients of both on random images and token ids.

    The gradient is that of a random linear function of all of them, by every parameter.

    Args:
      name_or_dir: as `load_pretrained`.
      image_size: other than trained with, to compare interpolated positions; the
        gradient of those is then left out.
      dtype: of our activations; the reference computes in float32.
      batch: images and texts.
      seed: of the inputs.

    Raises:
      PretrainedError: the model cannot be loaded.
      ImportError: PyTorch is not installed.
    """
    folder = locate(name_or_dir)
    towers, params, tokenizer = load_pretrained(
        folder, image_size=image_size, dtype=dtype
    )
    inputs = _Inputs.random(towers.config, batch, np.random.default_rng(seed))
    with jax.default_matmul_precision("highest"):
        ours, our_gradient = _run_ours(towers, params, inputs)
    theirs, their_gradient = _run_reference(folder, towers.config, inputs)
    errors = {
        name: relative_error(ours[name], theirs[name]) if name in theirs else None
        for name in ("image", "text", "logits")
    }
    if image_size is not None:
        their_gradient.pop("vision/position", None)
    return Parity(
        family=towers.config.family,
        gradient=_gradient_error(our_gradient, their_gradient),
        tokenizer_equal=None
        if tokenizer is None
        else same_ids(folder, tokenizer, HARD_TEXTS),
        **errors,
    )


def save_random_reference(config: Any, model_class: Any, folder: pathlib.Path) -> None:
    """Writes a PyTorch model of transformers whose every parameter is random.

    transformers' own initialisation leaves biases at 0 and norms at 1, where a mistake
    in loading them would not show.
    """
    import torch

    torch.manual_seed(0)
    model = model_class(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            if name == "logit_scale":
                parameter.fill_(2.3)
            elif parameter.ndim > 1 and "embedding" not in name:
                parameter.copy_(noise * 0.7 / parameter[0].numel() ** 0.5)
            else:
                parameter.add_(0.2 * noise)
    model.save_pretrained(folder)


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    """Returns max |a - b| / max |b|."""
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))


def same_ids(
    folder: pathlib.Path, tokenizer: PretrainedTokenizer, texts: Sequence[str]
) -> bool:
    """Returns True if ids are those of a tokenizer that transformers loads and pads.

    Texts that are too long for the tower are left out.
    """
    from transformers import AutoTokenizer, Siglip2Tokenizer

    kind = Siglip2Tokenizer if tokenizer.lower_case else AutoTokenizer
    reference = kind.from_pretrained(str(folder), trust_remote_code=False)
    reference.padding_side = "right"
    lengths = [len(ids) for ids in reference(list(texts))["input_ids"]]
    texts = [
        t for t, n in zip(texts, lengths, strict=True) if n <= tokenizer.max_tokens
    ]
    ours = tokenizer(texts)
    padded = {"padding": "max_length", "max_length": ours.shape[1]}
    if reference.pad_token_id is None:  # some CLIPs name none; the end pads them
        padded = {}
    theirs = reference(texts, **padded)["input_ids"]
    return all(list(a[: len(b)]) == list(b) for a, b in zip(ours, theirs, strict=True))


@dataclasses.dataclass(frozen=True)
class _Inputs:
    images: Float[np.ndarray, "B H W C"] | None
    tokens: Int[np.ndarray, "B L"] | None
    lengths: np.ndarray
    cotangents: dict[str, np.ndarray]  # of image, text and logits

    @classmethod
    def random(
        cls, config: TowersConfig, batch: int, rng: np.random.Generator
    ) -> "_Inputs":
        images = tokens = None
        if config.vision:
            size = config.image_size
            shape = (batch, size, size, config.channels)
            images = rng.normal(size=shape).astype(np.float32)
        lengths = np.full(batch, config.max_tokens)
        if config.text:
            t = config.text
            if t.pool != "last":  # texts of several lengths, padded
                lengths = rng.integers(4, min(config.max_tokens, 40) + 1, batch)
            end = t.eos_id if t.eos_id >= 0 else t.vocab_size - 1
            special = {t.pad_id, end}
            plain = [i for i in range(t.vocab_size) if i not in special]
            tokens = rng.choice(plain, (batch, lengths.max())).astype(np.int32)
            for row, length in zip(tokens, lengths, strict=True):
                row[length - 1 :] = t.pad_id
                row[length - 1] = end
        cotangents = {
            name: rng.normal(size=shape).astype(np.float32)
            for name, shape in (
                ("image", (batch, config.embed_dim)),
                ("text", (batch, config.embed_dim)),
                ("logits", (batch, batch)),
            )
        }
        return cls(images, tokens, lengths, cotangents)


def _outputs(towers: Towers, params: Any, inputs: _Inputs) -> dict[str, Array]:
    variables: Any = {"params": params}
    out: dict[str, Any] = {}
    if inputs.images is not None:
        images = jnp.asarray(inputs.images)
        out["image"] = towers.apply(variables, images, method="image_features")
    if inputs.tokens is not None:
        tokens = jnp.asarray(inputs.tokens)
        out["text"] = towers.apply(variables, tokens, method="text_features")
    if len(out) == 2:
        out["logits"] = towers.apply(variables, images, tokens)
    elif "text" in out:
        unit = normalize(out["text"])
        out["logits"] = unit @ unit.T
    return out


def _run_ours(
    towers: Towers, params: Any, inputs: _Inputs
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    def objective(params: Any) -> tuple[Array, dict[str, Array]]:
        out = _outputs(towers, params, inputs)
        terms = [(x * inputs.cotangents[k]).sum() for k, x in out.items()]
        return jnp.stack(terms).sum(), out

    gradient, out = jax.jit(jax.grad(objective, has_aux=True))(params)
    flat = traverse_util.flatten_dict(jax.device_get(gradient), sep="/")
    return jax.device_get(out), flat


def _run_reference(
    folder: pathlib.Path, config: TowersConfig, inputs: _Inputs
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    import torch
    from transformers import AutoConfig, AutoModel

    described = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    model: Any = _reference_class(described, AutoModel)
    model = model.from_pretrained(
        str(folder), dtype=torch.float32, trust_remote_code=False
    ).eval()
    out: dict[str, Any] = {}
    if inputs.images is not None:
        pixels = torch.from_numpy(inputs.images.transpose(0, 3, 1, 2).copy())
        options = {"pixel_values": pixels, "interpolate_pos_encoding": True}
        if config.paired:
            out["image"] = model.get_image_features(**options).pooler_output
        else:
            y = model(**options)
            out["image"] = getattr(y, "image_embeds", None)
            if out["image"] is None:
                out["image"] = y.pooler_output
    if inputs.tokens is not None:
        out["text"] = _reference_text(model, config, inputs)
    unit = {k: torch.nn.functional.normalize(x, dim=-1) for k, x in out.items()}
    if config.paired:
        out["logits"] = unit["image"] @ unit["text"].T * model.logit_scale.exp()
        if config.logit_bias:
            out["logits"] = out["logits"] + model.logit_bias
    elif "text" in out:
        out["logits"] = unit["text"] @ unit["text"].T
    total = sum(
        (x * torch.from_numpy(inputs.cotangents[k])).sum() for k, x in out.items()
    )
    total.backward()
    gradients = {
        name: np.zeros(p.shape, np.float32) if p.grad is None else p.grad.numpy()
        for name, p in model.named_parameters()
    }
    prefix = {"clip": "vision_model.", "siglip": "vision_model."}.get(config.family, "")
    if config.family != "bert" and not config.paired:
        prefix = "vision_model." if config.vision else "text_model."
        gradients = {
            k if k.startswith(prefix) or "_projection" in k else prefix + k: g
            for k, g in gradients.items()
        }
    values = {k: x.detach().numpy() for k, x in out.items()}
    return values, params_of(gradients, config, "PyTorch's gradients")


def _reference_class(described: Any, otherwise: Any) -> Any:
    """A tower alone needs the class with its projection, which AutoModel leaves out."""
    import transformers

    named = getattr(described, "architectures", None) or [""]
    single = ("WithProjection", "TextModel", "VisionModel")
    return getattr(transformers, named[0]) if named[0].endswith(single) else otherwise


def _reference_text(model: Any, config: TowersConfig, inputs: _Inputs) -> Any:
    import torch

    assert inputs.tokens is not None
    tokens = torch.from_numpy(inputs.tokens.astype(np.int64))
    real = (
        torch.arange(tokens.shape[1])[None] < torch.from_numpy(inputs.lengths)[:, None]
    )
    if config.family == "bert":
        hidden = model(input_ids=tokens, attention_mask=real.long()).last_hidden_state
        if config.text is not None and config.text.pool == "first":
            return hidden[:, 0]
        weights = real[..., None].float()
        return (hidden * weights).sum(1) / weights.sum(1)
    mask = {"attention_mask": real.long()} if config.family == "clip" else {}
    if config.paired:
        return model.get_text_features(input_ids=tokens, **mask).pooler_output
    y = model(input_ids=tokens, **mask)
    embeds = getattr(y, "text_embeds", None)
    return y.pooler_output if embeds is None else embeds


def _gradient_error(
    ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]
) -> float:
    """Worst relative error over parameters.

    The softmax over keys does not see a key's bias: its gradient is rounding around
    zero, and is compared with that of the weights beside it.
    """
    worst = 0.0
    for name, reference in theirs.items():
        scale = reference
        if name.endswith("/key/bias"):
            scale = theirs[name.replace("bias", "kernel")]
        difference = np.abs(ours[name] - reference).max()
        worst = max(worst, float(difference / max(np.abs(scale).max(), 1e-30)))
    return worst
