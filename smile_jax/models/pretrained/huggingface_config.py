"""Reads a config.json of the Hugging Face layout as our towers' config."""

import json
import pathlib
from collections.abc import Collection
from typing import Any

from smile_jax.core.extras import needed_for
from smile_jax.models.pretrained.hub import PretrainedError
from smile_jax.models.pretrained_towers import TowersConfig
from smile_jax.models.text_tower import TextConfig
from smile_jax.models.vit import VisionConfig

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
}
_CLIP = {"clip", "clip_vision_model", "clip_text_model"}
_SIGLIP = {"siglip", "siglip_vision_model", "siglip_text_model"}
KNOWN = "CLIP, SigLIP and SigLIP 2 of fixed resolution, BERT-style sentence encoders"


def read_config(folder: pathlib.Path, names: Collection[str]) -> TowersConfig:
    """The towers that a folder's config.json describes.

    Args:
      folder: of the model.
      names: tensors in its files, which tell whether there is a projection.

    Raises:
      PretrainedError: no config.json, or a model of another kind.
    """
    if not (folder / "config.json").is_file():
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise PretrainedError(f"{folder}: no config.json, only {found}")
    with needed_for("a pretrained tower"):
        from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as error:  # unknown model types and malformed files
        raise PretrainedError(
            f"{folder / 'config.json'}: transformers cannot read it ({error}); "
            f"supported: {KNOWN}"
        ) from error
    kind = config.model_type
    if kind in _CLIP:
        return _clip(config, folder, names)
    if kind in _SIGLIP:
        return _siglip(config, folder)
    if kind == "bert":
        return _bert(config, folder)
    raise PretrainedError(
        f"{folder / 'config.json'}: model_type {kind!r} is not supported: {KNOWN}"
    )


def _part(config: Any, kind: str) -> Any:
    """The vision or text config; None where a model has the other tower only."""
    if config.model_type.endswith(f"_{kind}_model"):
        return config
    return getattr(config, f"{kind}_config", None)


def _clip(config: Any, folder: pathlib.Path, names: Collection[str]) -> TowersConfig:
    v, t = _part(config, "vision"), _part(config, "text")
    projects = "visual_projection.weight" in names
    text = None
    if t is not None:
        text = TextConfig(
            **_transformer(t, folder),
            vocab_size=t.vocab_size,
            context_length=t.max_position_embeddings,
            pad_id=_one(t.pad_token_id),
            mask_padding=False,
            causal=True,
            pool="eos",
            # 2 is what the first configs said by mistake: highest id there.
            eos_id=-1 if _one(t.eos_token_id) == 2 else _one(t.eos_token_id),
            project="linear" if "text_projection.weight" in names else "none",
        )
    vision = None
    if v is not None:
        vision = VisionConfig(**_vision(v, folder), pool="class", pre_norm=True)
    tower = vision or text
    assert tower is not None
    projected = projects or (text is not None and text.project == "linear")
    return TowersConfig(
        family="clip",
        vision=vision,
        text=text,
        embed_dim=config.projection_dim if projected else tower.width,
        visual_projection=projects,
        max_tokens=text.context_length if text else 0,
        **_images(v, folder),
    )


def _siglip(config: Any, folder: pathlib.Path) -> TowersConfig:
    v, t = _part(config, "vision"), _part(config, "text")
    if v is not None and not v.vision_use_head:
        raise PretrainedError(
            f"{folder / 'config.json'}: vision_use_head=false, a tower without "
            "pooling; take the model's contrastive checkpoint"
        )
    text = None
    if t is not None:
        text = TextConfig(
            **_transformer(t, folder),
            vocab_size=t.vocab_size,
            context_length=t.max_position_embeddings,
            pad_id=_one(t.pad_token_id),
            mask_padding=False,  # trained so; the last token pools
            pool="last",
            project="affine",
        )
    vision = None
    if v is not None:
        vision = VisionConfig(
            **_vision(v, folder),
            pool="attention",
            pre_norm=False,
            patch_bias=True,
            crop=True,
        )
    return TowersConfig(
        family="siglip",
        vision=vision,
        text=text,
        embed_dim=t.projection_size if t is not None else v.hidden_size,
        logit_bias=v is not None and t is not None,
        max_tokens=text.context_length if text else 0,
        **_images(v, folder),
    )


def _bert(config: Any, folder: pathlib.Path) -> TowersConfig:
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        raise PretrainedError(
            f"{folder / 'config.json'}: only absolute position embeddings are supported"
        )
    pool, longest = _sentence_settings(folder)
    text = TextConfig(
        **_transformer(config, folder, norm_first=False),
        vocab_size=config.vocab_size,
        context_length=config.max_position_embeddings,
        pad_id=_one(config.pad_token_id),
        pool=pool,
        token_types=config.type_vocab_size,
        token_norm=True,
        project="none",
    )
    return TowersConfig(
        family="bert",
        vision=None,
        text=text,
        embed_dim=config.hidden_size,
        max_tokens=min(longest or text.context_length, text.context_length),
    )


def _sentence_settings(folder: pathlib.Path) -> tuple[Any, int | None]:
    """Returns pooling and longest text from the files of sentence-transformers.

    Without such files it is the mean over tokens, as in that library.

    Raises:
      PretrainedError: it does more after the transformer than pool and normalise.
    """
    modules = _json(folder / "modules.json", [])
    for module in modules:
        kind = module["type"].rsplit(".", 1)[-1]
        if kind not in ("Transformer", "Pooling", "Normalize"):
            raise PretrainedError(
                f"{folder / 'modules.json'}: a {kind} layer follows the transformer, "
                "which is not supported"
            )
    pooling = _json(folder / "1_Pooling" / "config.json", {})
    chosen = [name for name, on in pooling.items() if name.startswith("pooling") and on]
    known = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}
    if len(chosen) > 1 or not set(chosen) <= set(known):
        raise PretrainedError(
            f"{folder / '1_Pooling'}: pools by {chosen}; supported: {list(known)}"
        )
    longest = _json(folder / "sentence_bert_config.json", {}).get("max_seq_length")
    return known[chosen[0]] if chosen else "mean", longest


def _transformer(
    config: Any, folder: pathlib.Path, *, norm_first: bool = True
) -> dict[str, Any]:
    if config.hidden_act not in ACTIVATIONS:
        raise PretrainedError(
            f"{folder / 'config.json'}: hidden_act {config.hidden_act!r} is not "
            f"supported: {', '.join(ACTIVATIONS)}"
        )
    return {
        "width": config.hidden_size,
        "depth": config.num_hidden_layers,
        "heads": config.num_attention_heads,
        "mlp_width": config.intermediate_size,
        "activation": ACTIVATIONS[config.hidden_act],
        "epsilon": config.layer_norm_eps,
        "norm_first": norm_first,
    }


def _vision(config: Any, folder: pathlib.Path) -> dict[str, Any]:
    return _transformer(config, folder) | {"patch_size": _one(config.patch_size)}


def _images(config: Any, folder: pathlib.Path) -> dict[str, Any]:
    """Size and statistics of images, from the image processor's config."""
    if config is None:
        return {}
    path = folder / "preprocessor_config.json"
    found = _json(path, {})
    if not {"image_mean", "image_std"} <= set(found):
        raise PretrainedError(
            f"{path}: {'names no' if path.is_file() else 'missing; it names the'} "
            "image_mean and image_std that the tower was trained with; take the file "
            "from where the weights are from"
        )
    return {
        "image_size": _one(config.image_size),
        "channels": config.num_channels,
        "mean": tuple(found["image_mean"]),
        "std": tuple(found["image_std"]),
    }


def _json(path: pathlib.Path, otherwise: Any) -> Any:
    if not path.is_file():
        return otherwise
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise PretrainedError(f"{path}: not JSON ({error}); download it again") from (
            error
        )


def _one(value: Any) -> int:
    """Configs write some numbers as lists of equal ones."""
    return int(value[0] if isinstance(value, list | tuple) else value)
