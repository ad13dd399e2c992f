"""Maps tensors of Hugging Face files to our parameters, and back.

One table serves import, export, and the comparison of gradients.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from smile_jax.models.pretrained_towers import TowersConfig


@dataclasses.dataclass(frozen=True)
class Layout:
    """The conversion of a tensor's layout to ours and back."""

    read: Callable[[np.ndarray], np.ndarray]
    write: Callable[[np.ndarray], np.ndarray]


_AS_IS = Layout(lambda x: x, lambda x: x)
_TRANSPOSED = Layout(lambda x: x.T, lambda x: x.T)


def _shaped(theirs: tuple[int, ...], ours: tuple[int, ...]) -> Layout:
    return Layout(lambda x: x.reshape(ours), lambda x: x.reshape(theirs))


def _patches(size: int) -> Layout:
    """A convolution [F, C, P, P] and the matrix [P P C, F] that multiplies patches."""
    return Layout(
        lambda x: x.transpose(2, 3, 1, 0).reshape(-1, len(x)),
        lambda x: x.reshape(size, size, -1, x.shape[1]).transpose(3, 2, 0, 1),
    )


@dataclasses.dataclass(frozen=True)
class Weight:
    """A tensor of theirs and our parameter, or our parameters if theirs is stacked."""

    theirs: str
    ours: tuple[str, ...]
    layout: Layout = _AS_IS

    def read(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        """Converts their tensor to our parameters."""
        parts = np.split(tensor, len(self.ours)) if len(self.ours) > 1 else [tensor]
        return {
            name: self.layout.read(part)
            for name, part in zip(self.ours, parts, strict=True)
        }

    def write(self, params: Mapping[str, np.ndarray]) -> np.ndarray:
        """Converts our parameters to their tensor."""
        parts = [self.layout.write(np.asarray(params[name])) for name in self.ours]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]


def weight_table(config: TowersConfig) -> list[Weight]:
    """Returns every tensor of a model."""
    return list(_bert(config) if config.family == "bert" else _contrastive(config))


def unused_tensors(name: str) -> bool:
    """Tensors that files hold and no feature needs: buffers, heads of other tasks."""
    stem = name.removeprefix("bert.")
    return name.endswith(".position_ids") or stem.startswith(("pooler.", "cls."))


def _linear(theirs: str, ours: str, *, bias: bool = True) -> Iterator[Weight]:
    yield Weight(f"{theirs}.weight", (f"{ours}/kernel",), _TRANSPOSED)
    if bias:
        yield Weight(f"{theirs}.bias", (f"{ours}/bias",))


def _norm(theirs: str, ours: str) -> Iterator[Weight]:
    yield Weight(f"{theirs}.weight", (f"{ours}/scale",))
    yield Weight(f"{theirs}.bias", (f"{ours}/bias",))


def _blocks(
    depth: int, theirs: str, ours: str, linears: dict[str, str], norms: dict[str, str]
) -> Iterator[Weight]:
    for i in range(depth):
        for a, b in linears.items():
            yield from _linear(f"{theirs}.{i}.{a}", f"{ours}/block_{i}/{b}")
        for a, b in norms.items():
            yield from _norm(f"{theirs}.{i}.{a}", f"{ours}/block_{i}/{b}")


_LINEARS = {
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.out_proj": "out",
    "mlp.fc1": "mlp_1",
    "mlp.fc2": "mlp_2",
}
_NORMS = {"layer_norm1": "norm_1", "layer_norm2": "norm_2"}

_BERT_LINEARS = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "out",
    "intermediate.dense": "mlp_1",
    "output.dense": "mlp_2",
}
_BERT_NORMS = {"attention.output.LayerNorm": "norm_1", "output.LayerNorm": "norm_2"}


def _contrastive(c: TowersConfig) -> Iterator[Weight]:
    if c.vision:
        yield from _vision(c)
    if c.text:
        yield from _text(c)
    if c.paired:
        shape = (1,) if c.family == "siglip" else ()
        yield Weight("logit_scale", ("logit_scale",), _shaped(shape, ()))
    if c.logit_bias:
        yield Weight("logit_bias", ("logit_bias",), _shaped((1,), ()))


def _vision(c: TowersConfig) -> Iterator[Weight]:
    v, theirs = c.vision, "vision_model"
    assert v is not None
    embeddings = f"{theirs}.embeddings"
    yield Weight(
        f"{embeddings}.patch_embedding.weight",
        ("vision/stem/patch/kernel",),
        _patches(v.patch_size),
    )
    if v.patch_bias:
        yield Weight(f"{embeddings}.patch_embedding.bias", ("vision/stem/patch/bias",))
    if v.pool == "class":
        yield Weight(f"{embeddings}.class_embedding", ("vision/class_token",))
    yield Weight(f"{embeddings}.position_embedding.weight", ("vision/position",))
    if v.pre_norm:
        yield from _norm(f"{theirs}.pre_layrnorm", "vision/norm_pre")  # sic
    yield from _blocks(
        v.depth, f"{theirs}.encoder.layers", "vision/transformer", _LINEARS, _NORMS
    )
    yield from _norm(f"{theirs}.post_layernorm", "vision/norm_post")
    if v.pool == "attention":
        yield from _attention_pool(f"{theirs}.head", "vision/pool", v.width)
    if c.visual_projection:
        yield from _linear("visual_projection", "joint_head", bias=False)


def _attention_pool(theirs: str, ours: str, width: int) -> Iterator[Weight]:
    stacked = [f"{ours}/{name}" for name in ("query", "key", "value")]
    attention = f"{theirs}.attention"
    yield Weight(
        f"{theirs}.probe", (f"{ours}/probe",), _shaped((1, 1, width), (1, width))
    )
    yield Weight(
        f"{attention}.in_proj_weight",
        tuple(f"{name}/kernel" for name in stacked),
        _TRANSPOSED,
    )
    yield Weight(f"{attention}.in_proj_bias", tuple(f"{name}/bias" for name in stacked))
    yield from _linear(f"{attention}.out_proj", f"{ours}/out")
    yield from _norm(f"{theirs}.layernorm", f"{ours}/norm")
    yield from _linear(f"{theirs}.mlp.fc1", f"{ours}/mlp_1")
    yield from _linear(f"{theirs}.mlp.fc2", f"{ours}/mlp_2")


def _text(c: TowersConfig) -> Iterator[Weight]:
    t, theirs = c.text, "text_model"
    assert t is not None
    embeddings = f"{theirs}.embeddings"
    yield Weight(f"{embeddings}.token_embedding.weight", ("text/tokens/embedding",))
    yield Weight(f"{embeddings}.position_embedding.weight", ("text/position",))
    yield from _blocks(
        t.depth, f"{theirs}.encoder.layers", "text/transformer", _LINEARS, _NORMS
    )
    yield from _norm(f"{theirs}.final_layer_norm", "text/norm_post")
    if c.family == "clip" and t.project != "none":
        yield from _linear("text_projection", "text/project", bias=False)
    if c.family == "siglip":
        yield from _linear(f"{theirs}.head", "text/project")


def _bert(c: TowersConfig) -> Iterator[Weight]:
    assert c.text is not None
    for name, ours in (
        ("word_embeddings", "text/tokens/embedding"),
        ("position_embeddings", "text/position"),
        ("token_type_embeddings", "text/token_types"),
    ):
        yield Weight(f"embeddings.{name}.weight", (ours,))
    yield from _norm("embeddings.LayerNorm", "text/norm_tokens")
    yield from _blocks(
        c.text.depth, "encoder.layer", "text/transformer", _BERT_LINEARS, _BERT_NORMS
    )
