"""SMILE-JAX: self-supervised 3D/4D facial-expression learning in JAX/Flax.

    model = smile_jax.load("runs/demo")
    model.predict("scan.wrl", prompts=["a happy face", "a bored face"]).probabilities

Importing the package is light: the rest is imported where it is first used.
"""

import importlib
import pathlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smile_jax.inference.api import embed_text, load
    from smile_jax.mesh import Mesh, read_mesh, render_views

# A wheel carries `smile_jax.experiments` and `smile_jax.tfds_builders` inside; in a
# checkout they are found beside the package.
if not (pathlib.Path(__file__).parent / "experiments").is_dir():
    __path__.append(str(pathlib.Path(__file__).parent.parent))

__version__ = "0.1.0"
__all__ = ["Mesh", "embed_text", "load", "read_mesh", "render_views"]

_FROM = {
    "Mesh": "smile_jax.mesh",
    "read_mesh": "smile_jax.mesh",
    "render_views": "smile_jax.mesh",
    "embed_text": "smile_jax.inference.api",
    "load": "smile_jax.inference.api",
}


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module 'smile_jax' has no attribute {name!r}")
    return getattr(importlib.import_module(_FROM[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_FROM])
