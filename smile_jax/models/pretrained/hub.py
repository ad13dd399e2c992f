"""Finds pretrained files in a folder, or by a name on the Hugging Face hub."""

import pathlib

from smile_jax.core.extras import needed_for

# Weights in other formats and other frameworks' copies stay where they are.
_WANTED = ["*.json", "model*.safetensors", "*.txt", "*.model"]


class PretrainedError(ValueError):
    """Pretrained files cannot be used; the message says which and what to do."""


def locate(name_or_dir: str | pathlib.Path) -> pathlib.Path:
    """The folder of a pretrained model; downloads a hub name into the hub's cache.

    Without a network, or with HF_HUB_OFFLINE=1, what the cache holds is used.

    Raises:
      PretrainedError: neither a folder nor a model that the hub or its cache has.
    """
    folder = pathlib.Path(name_or_dir).expanduser()
    if folder.is_dir():
        return folder
    name = str(name_or_dir)
    if folder.is_absolute() or name.startswith(".") or name.count("/") > 1:
        raise PretrainedError(
            f"{name}: no such folder. Expected config.json and model.safetensors in it"
        )
    with needed_for("a model of the hub"):
        import huggingface_hub

    try:
        return pathlib.Path(
            huggingface_hub.snapshot_download(name, allow_patterns=_WANTED)
        )
    except Exception as error:  # the hub raises many kinds, some of its HTTP library
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise PretrainedError(
            f"{name}: not a folder here, and the Hugging Face hub did not give it "
            f"({type(error).__name__}: {reason}). Without a network, download it "
            "elsewhere (config.json, model.safetensors, tokenizer files) and name the "
            "folder"
        ) from error
