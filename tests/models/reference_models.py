"""Randomly initialised reference models, saved as their hubs save them."""

import json
import pathlib

from smile_jax.models.pretrained.parity import HARD_TEXTS, save_random_reference

_OPENAI = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


def _tower(width: int, depth: int, heads: int) -> dict:
    return {
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "intermediate_size": 3 * width,
    }


# name -> (config class, model class, arguments, preprocessor)
MODELS = {
    "clip_small": (
        "CLIPConfig",
        "CLIPModel",
        {
            "vision_config": _tower(32, 2, 2)
            | {"image_size": 32, "patch_size": 8, "hidden_act": "quick_gelu"},
            "text_config": _tower(24, 2, 2)
            | {
                "vocab_size": 99,
                "max_position_embeddings": 96,
                "hidden_act": "quick_gelu",
                "eos_token_id": 2,  # as in OpenAI's first configs
                "bos_token_id": 0,
                "pad_token_id": 1,
            },
            "projection_dim": 20,
        },
        _OPENAI,
    ),
    "clip_laion": (
        "CLIPConfig",
        "CLIPModel",
        {
            "vision_config": _tower(48, 4, 3)
            | {"image_size": 42, "patch_size": 14, "hidden_act": "gelu"},
            "text_config": _tower(32, 3, 4)
            | {
                "vocab_size": 120,
                "max_position_embeddings": 96,
                "hidden_act": "gelu",
                "eos_token_id": 119,
                "bos_token_id": 118,
                "pad_token_id": 119,  # the end also pads
            },
            "projection_dim": 32,
        },
        _OPENAI,
    ),
    "siglip_small": (
        "SiglipConfig",
        "SiglipModel",
        {
            "vision_config": _tower(32, 2, 2) | {"image_size": 32, "patch_size": 8},
            "text_config": _tower(32, 2, 2)
            | {
                "vocab_size": 200,
                "max_position_embeddings": 96,
                "projection_size": 32,
                "bos_token_id": 1,
                "eos_token_id": 1,
            },
        },
        _HALF,
    ),
    # so400m: patches that do not divide the image, a text head of another width
    "siglip_cropped": (
        "SiglipConfig",
        "SiglipModel",
        {
            "vision_config": _tower(48, 3, 4) | {"image_size": 45, "patch_size": 14},
            "text_config": _tower(32, 3, 4)
            | {
                "vocab_size": 200,
                "max_position_embeddings": 96,
                "projection_size": 48,
                "bos_token_id": 1,
                "eos_token_id": 1,
            },
        },
        _HALF,
    ),
    "siglip2": (
        "SiglipConfig",
        "SiglipModel",
        {
            "vision_config": _tower(32, 3, 2) | {"image_size": 48, "patch_size": 16},
            "text_config": _tower(32, 1, 2)
            | {
                "vocab_size": 600,
                "max_position_embeddings": 96,
                "projection_size": 32,
                "bos_token_id": 2,
                "eos_token_id": 1,
                "pad_token_id": 0,
            },
        },
        _HALF,
    ),
    "bert_small": (
        "BertConfig",
        "BertModel",
        _tower(24, 2, 2) | {"vocab_size": 80, "max_position_embeddings": 96},
        None,
    ),
    "bert_deep": (
        "BertConfig",
        "BertModel",
        _tower(64, 6, 8)
        | {"vocab_size": 300, "max_position_embeddings": 96, "hidden_act": "gelu_new"},
        None,
    ),
    "clip_vision_alone": (
        "CLIPVisionConfig",
        "CLIPVisionModelWithProjection",
        _tower(32, 2, 2) | {"image_size": 32, "patch_size": 8, "projection_dim": 12},
        _OPENAI,
    ),
    "clip_text_alone": (
        "CLIPTextConfig",
        "CLIPTextModelWithProjection",
        _tower(32, 2, 2)
        | {
            "vocab_size": 99,
            "max_position_embeddings": 96,
            "projection_dim": 12,
            "eos_token_id": 98,
            "bos_token_id": 97,
            "pad_token_id": 1,
        },
        None,
    ),
}


def save_reference(name: str, folder: pathlib.Path) -> pathlib.Path:
    """Writes weights, config, tokenizer and image statistics of a random model."""
    import transformers

    config_class, model_class, arguments, preprocessor = MODELS[name]
    if preprocessor:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    if config_class != "CLIPVisionConfig":
        family = config_class.removesuffix("Config").removesuffix("Text").lower()
        tokenizer = save_tokenizer("gemma" if name == "siglip2" else family, folder)
        arguments = _speaking(arguments, tokenizer)
    config = getattr(transformers, config_class)(**arguments)
    save_random_reference(config, getattr(transformers, model_class), folder)
    return folder


def _speaking(arguments: dict, tokenizer) -> dict:
    """The config with the tokenizer's vocabulary and, where it names any, marks."""
    if "text_config" in arguments:
        return arguments | {
            "text_config": _speaking(arguments["text_config"], tokenizer)
        }
    marks = {
        key: getattr(tokenizer, key)
        for key in ("bos_token_id", "eos_token_id", "pad_token_id")
        if arguments.get(key, 2) != 2 and getattr(tokenizer, key) is not None
    }
    return arguments | marks | {"vocab_size": len(tokenizer)}


def save_tokenizer(kind: str, folder: pathlib.Path):
    """A small tokenizer as this family's, trained on the texts that tests use."""
    tokenizer = {
        "bert": _word_pieces,
        "siglip": _sentence_pieces,
        "gemma": _gemma,
        "clip": _byte_pairs,
    }[kind](folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _byte_pairs(folder: pathlib.Path):
    """CLIP's: lower-cased words of bytes, with a mark at each word's end."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, end_of_word_suffix="</w>", initial_alphabet=alphabet
    )
    trained.train_from_iterator([t.lower() for t in HARD_TEXTS], trainer)
    described = json.loads(trained.to_str())["model"]
    vocab = described["vocab"]
    for letter in alphabet:
        vocab.setdefault(letter + "</w>", len(vocab))
    for mark in ("<|startoftext|>", "<|endoftext|>"):
        vocab.setdefault(mark, len(vocab))
    merges = [tuple(pair) for pair in described["merges"]]
    return CLIPTokenizer(vocab=vocab, merges=merges)


def _word_pieces(folder: pathlib.Path):
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(HARD_TEXTS, vocab_size=300, show_progress=False)
    return BertTokenizer(vocab=trained.get_vocab())


def _sentence_pieces(folder: pathlib.Path):
    """SigLIP's: punctuation dropped, lower-cased, a unigram model."""
    import sentencepiece
    from transformers import SiglipTokenizer

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(HARD_TEXTS),
        model_prefix=str(folder / "spiece"),
        vocab_size=180,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "spiece.vocab").unlink()
    return SiglipTokenizer(str(folder / "spiece.model"))


def _gemma(folder: pathlib.Path):
    """SigLIP 2's: Gemma's byte pairs with a fall-back to bytes."""
    from tokenizers import Tokenizer, models, trainers
    from transformers import GemmaTokenizer

    trained = Tokenizer(models.BPE())
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    special += [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special)
    words = [t.replace(" ", "\u2581") for t in HARD_TEXTS]
    trained.train_from_iterator(words, trainer)
    described = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) for pair in described["merges"]]
    return GemmaTokenizer(vocab=described["vocab"], merges=merges)
