"""Face models by where they come from, loaded once a process."""

import functools

from smile_jax.faces.ict import load_ict
from smile_jax.faces.model import FaceModel
from smile_jax.faces.procedural import load_procedural


@functools.lru_cache(maxsize=2)
def load_face_model(path: str = "", modes: int | None = None) -> FaceModel:
    """The procedural head, or ICT-FaceKit where a path is given.

    Args:
      path: tree or archive of ICT-FaceKit; "" for the procedural head.
      modes: identity modes of ICT-FaceKit to use; by default all.

    Raises:
      MeshError: no such model there.
    """
    return load_ict(path, modes) if path else load_procedural()
