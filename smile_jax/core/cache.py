"""Folders of files that can be made again, below $SMILE_JAX_CACHE."""

import os
import pathlib


def cache_folder(name: str) -> pathlib.Path:
    """A folder below $SMILE_JAX_CACHE, which is ~/.cache/smile_jax by default."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    root = os.environ.get("SMILE_JAX_CACHE") or pathlib.Path(home) / "smile_jax"
    return pathlib.Path(root) / name


def keep_compiled() -> None:
    """Keeps what XLA compiles, so that the same run starts without compiling.

    JAX_COMPILATION_CACHE_DIR, if it is set, names another folder.
    """
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache_folder("compiled")))
        # Small programs too: there are a hundred of them before the first step.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
