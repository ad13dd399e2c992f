"""The head in 3D: what the small viewer in the page is told, as JSON."""

import base64
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from smile_jax.mesh import Mesh, frame_mesh

SCRIPT = pathlib.Path(__file__).with_name("viewer.js").read_text()
TEMPLATE = """<div class="viewer">
<canvas aria-label="the head in 3D; drag to turn it"></canvas>
<p class="note">drag to turn</p></div>"""
STYLE = """.viewer { position: relative; background: #eef0f3; border-radius: 8px; }
canvas { width: 100%; height: 360px; display: block; cursor: grab; touch-action: none; }
.note { position: absolute; right: 10px; bottom: 4px; margin: 0; color: #667; }"""
_MOST = 48  # frames
_GREY = 0.72


def scene(meshes: Sequence[Mesh], numbers: Sequence[int], shown: int) -> str:
    """Encodes meshes as the viewer takes them.

    Points become 16-bit numbers in a box around the first mesh, with their colours;
    triangles are sent once where all meshes have the same.

    Args:
      meshes: turned to the front, in mm.
      numbers: of their frames.
      shown: the one that is seen first.
    """
    framing = frame_mesh(meshes[0])
    center, scale = np.asarray(framing.center), 30000 / framing.extent
    frames: list[dict[str, Any]] = []
    for mesh in meshes:
        apart = (mesh.vertices - center) * scale
        points = apart.clip(-32767, 32767).round().astype("<i2")
        frame: dict[str, Any] = {"points": _packed(points)}
        if not frames or not np.array_equal(mesh.faces, meshes[0].faces):
            frame["faces"] = _packed(mesh.faces.astype("<u4"))
        frames.append(frame)
    colors = meshes[0].colors
    if colors is None:
        colors = np.full((len(meshes[0].vertices), 3), _GREY)
    found = {
        "frames": frames,
        "numbers": list(map(int, numbers)),
        "colors": _packed((255 * colors).astype("u1")),
        "shown": shown,
    }
    return json.dumps(found)


def chosen_frames(count: int) -> np.ndarray:
    """Returns the frames of a sequence that the viewer has room for."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST)).round().astype(int))


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
