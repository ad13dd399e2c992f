"""The unit of a file, by the size of the face in it."""

import math

from smile_jax.landmarking.first_look import Face, require_face
from smile_jax.mesh.types import Mesh

UNITS_MM = {"um": 0.001, "mm": 1.0, "cm": 10.0, "in": 25.4, "m": 1000.0}
# People's faces are at most so much larger or smaller than the average; and what is
# farther from both of two units could be either (this project's choices).
_PEOPLE, _NEAR = 1.4, 2.0


def unit_of(mesh: Mesh) -> float:
    """Returns the millimetres of a mesh's unit.

    Raises:
      NoFaceError: there is no face to tell it by.
    """
    return unit_of_face(require_face(mesh))[0]


def unit_of_face(face: Face) -> tuple[float, tuple[str, ...]]:
    """Returns the millimetres of a file's unit, and what is to be said of it.

    A usual unit where the face is as large as people's in it; else whatever makes it
    one of average size.
    """
    average = 1 / face.scale
    apart = {name: abs(math.log(average / mm)) for name, mm in UNITS_MM.items()}
    best = min(apart, key=apart.__getitem__)
    if apart[best] <= math.log(_PEOPLE):
        return UNITS_MM[best], ()
    unit = float(f"{average:.3g}")
    near = [name for name, far in apart.items() if far < math.log(_NEAR)]
    said = f"its unit is taken as {unit:g} mm, with which its face is of average size"
    if near:
        said += f"; it may be {' or '.join(near)}: name it with unit_mm"
    return unit, (said,)
