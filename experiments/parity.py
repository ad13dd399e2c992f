"""Exactness of the published sizes of every family.

    python -m experiments.parity [--sizes=clip_b32,minilm]

Writes randomly initialised PyTorch models of the published sizes, loads them here, and
prints a table of relative errors in float32 (max |a - b| / max |b|; for gradients the
worst parameter). Needs PyTorch (extra `test`) and, for the largest, 12 GiB of memory.
"""

import json
import pathlib
import tempfile

import transformers
from absl import app, flags, logging

from smile_jax.models.pretrained import parity

_SIZES = flags.DEFINE_list("sizes", [], "Which, by default all.")


def _tower(width: int, depth: int, heads: int, mlp_width: int, **more) -> dict:
    return {
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "intermediate_size": mlp_width,
    } | more


def _clip(vision: dict, text: dict, dim: int, activation: str):
    act = {"hidden_act": activation}
    end = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
    config = transformers.CLIPConfig(
        vision_config=vision | act, text_config=text | act | end, projection_dim=dim
    )
    return config, transformers.CLIPModel, transformers.CLIPTokenizer


def _siglip(width: int, depth: int, heads: int, mlp: int, size: int, patch: int):
    vision = _tower(width, depth, heads, mlp, image_size=size, patch_size=patch)
    end = {"bos_token_id": 1, "eos_token_id": 1}
    config = transformers.SiglipConfig(
        vision_config=vision, text_config=_tower(width, depth, heads, mlp) | end
    )
    return config, transformers.SiglipModel, transformers.GemmaTokenizer


def _bert(*sizes: int):
    config = transformers.BertConfig(**_tower(*sizes))
    return config, transformers.BertModel, transformers.BertTokenizer


_B32 = _tower(768, 12, 12, 3072, patch_size=32)
_B16 = _tower(768, 12, 12, 3072, patch_size=16)
_L14 = _tower(1024, 24, 16, 4096, patch_size=14)
_TEXT = _tower(512, 12, 8, 2048)
MODELS = {
    "clip_b32": lambda: _clip(_B32, _TEXT, 512, "quick_gelu"),
    "clip_b16": lambda: _clip(_B16, _TEXT, 512, "quick_gelu"),
    "clip_l14": lambda: _clip(_L14, _tower(768, 12, 12, 3072), 768, "quick_gelu"),
    "laion_b32": lambda: _clip(_B32, _TEXT, 512, "gelu"),
    "siglip_b16": lambda: _siglip(768, 12, 12, 3072, 224, 16),
    "siglip_so400m": lambda: _siglip(1152, 27, 16, 4304, 384, 14),
    "minilm_l6": lambda: _bert(384, 6, 12, 1536),
    "bert_base": lambda: _bert(768, 12, 12, 3072),
}


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}")
    print("| model | parameters | image | text | logits | gradient |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in _SIZES.value or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            print(_row(name, pathlib.Path(folder)), flush=True)


def _row(name: str, folder: pathlib.Path) -> str:
    config, model_class, tokenizer_class = MODELS[name]()
    parity.save_random_reference(config, model_class, folder)
    tokenizer_class().save_pretrained(folder)  # ids are drawn at random
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(half))
    found = parity.compare(folder, batch=2)
    size = sum(f.stat().st_size for f in folder.glob("*.safetensors")) / 4e6
    errors = (found.image, found.text, found.logits, found.gradient)
    cells = " | ".join("" if e is None else f"{e:.1e}" for e in errors)
    return f"| {name} | {size:.0f} M | {cells} |"


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)
    transformers.logging.set_verbosity_error()
    app.run(main)
