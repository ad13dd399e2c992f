"""Towers written as transformers and `load_pretrained` read them."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from smile_jax.models.pretrained.huggingface_config import ACTIVATIONS
from smile_jax.models.pretrained.weight_names import weight_table
from smile_jax.models.pretrained.weights import write_weights
from smile_jax.models.pretrained_towers import TowersConfig
from smile_jax.models.text_tower import TextConfig
from smile_jax.models.transformer import TransformerConfig
from smile_jax.models.vit import VisionConfig

_NAMES = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}


def describe_towers(
    vision: VisionConfig,
    text: TextConfig,
    *,
    embed_dim: int,
    joint_projection: bool,
    image_size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    max_tokens: int,
) -> TowersConfig | None:
    """Returns the part of a model that the layout of CLIP or SigLIP can say.

    That is both towers, the vision tower alone, or None.
    """
    plain = vision.stem == "patch" and vision.norm_first
    images: dict[str, Any] = {
        "image_size": image_size,
        "mean": mean,
        "std": std,
        "channels": len(mean),
    }
    if plain and vision.pool == "class" and vision.pre_norm and not vision.patch_bias:
        paired = text.causal and text.pool == "eos" and joint_projection
        return TowersConfig(
            family="clip",
            vision=vision,
            text=text if paired else None,
            embed_dim=embed_dim,
            visual_projection=joint_projection,
            max_tokens=max_tokens if paired else 0,
            **images,
        )
    if plain and vision.pool == "attention" and vision.patch_bias and vision.crop:
        paired = text.pool == "last" and text.project == "affine"
        if paired and not joint_projection:
            return TowersConfig(
                family="siglip",
                vision=vision,
                text=text,
                embed_dim=embed_dim,
                logit_bias=True,
                max_tokens=max_tokens,
                **images,
            )
    return None


def write_towers(
    folder: pathlib.Path, config: TowersConfig, params: Mapping[str, np.ndarray]
) -> set[str]:
    """Writes config.json, model.safetensors and preprocessor_config.json.

    Returns:
      The names of the flat parameters that are in there.
    """
    table = weight_table(config)
    write_weights(folder, {w.theirs: w.write(params) for w in table})
    described = _config(config)
    (folder / "config.json").write_text(json.dumps(described, indent=2) + "\n")
    images = {"image_mean": list(config.mean), "image_std": list(config.std)}
    (folder / "preprocessor_config.json").write_text(json.dumps(images) + "\n")
    return {name for w in table for name in w.ours}


def _config(c: TowersConfig) -> dict[str, Any]:
    assert c.vision is not None
    vision = _tower(c.vision) | {
        "image_size": c.image_size,
        "patch_size": c.vision.patch_size,
        "num_channels": c.channels,
    }
    if c.text is None:
        return vision | {
            "architectures": [
                "CLIPVisionModelWithProjection"
                if c.visual_projection
                else "CLIPVisionModel"
            ],
            "model_type": "clip_vision_model",
            "projection_dim": c.embed_dim,
        }
    t = c.text
    text = _tower(t) | {
        "vocab_size": t.vocab_size,
        "max_position_embeddings": t.context_length,
        "pad_token_id": t.pad_id,
    }
    if c.family == "siglip":
        text |= {"projection_size": c.embed_dim}
        model = {"architectures": ["SiglipModel"], "model_type": "siglip"}
        return model | {"vision_config": vision, "text_config": text}
    text |= {"eos_token_id": t.eos_id if t.eos_id >= 0 else 2}
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": c.embed_dim,
        "vision_config": vision,
        "text_config": text,
    }


def _tower(c: TransformerConfig) -> dict[str, Any]:
    return {
        "hidden_size": c.width,
        "num_hidden_layers": c.depth,
        "num_attention_heads": c.heads,
        "intermediate_size": c.mlp_width,
        "hidden_act": _NAMES[c.activation],
        "layer_norm_eps": c.epsilon,
    }
