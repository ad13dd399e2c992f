"""All face families, and the one that a word or a path stands for."""

import functools
import pathlib

from smile_jax.faces.families.face_model import FaceModel
from smile_jax.faces.families.family import Family
from smile_jax.faces.families.ict import ICT
from smile_jax.faces.families.makehuman import MAKEHUMAN
from smile_jax.faces.families.model_files import has_file
from smile_jax.faces.families.procedural import PROCEDURAL
from smile_jax.faces.families.vitruvian import VITRUVIAN
from smile_jax.mesh.types import MeshError

FAMILIES = {f.name: f for f in (PROCEDURAL, MAKEHUMAN, VITRUVIAN, ICT)}


def family_of(source: str | pathlib.Path) -> Family:
    """Returns the family of a word or of the files at a path.

    Args:
      source: name of a family, or a folder or archive of its files; "" stands for the
        procedural head.

    Raises:
      MeshError: neither; or it cannot be read.
    """
    name = str(source) or PROCEDURAL.name
    if name in FAMILIES:
        return FAMILIES[name]
    path = pathlib.Path(source)
    found = next((f for f in FAMILIES.values() if has_file(path, f.has_mark)), None)
    if found is None:
        there = "" if path.exists() else " (there is no such file or folder)"
        raise MeshError(
            f"{path}: no face model there{there}; expected {', '.join(FAMILIES)}, or a "
            "folder or archive of one of them (docs/data.md)"
        )
    return found


@functools.lru_cache(maxsize=8)
def load_face_model(
    source: str | pathlib.Path = "", modes: int | None = None, name: str = ""
) -> FaceModel:
    """The model of a family, loaded once a process.

    Args:
      source: see `family_of`.
      modes: identity modes to use, of families that have independent ones; by default
        all.
      name: of the family, where it is known; "": by what is there.

    Raises:
      MeshError: no such model, files missing or damaged, or no such modes.
    """
    family = FAMILIES[name] if name else family_of(source)
    return family.load("" if str(source) in ("", family.name) else source, modes)
