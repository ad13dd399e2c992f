"""Renders a contact sheet: `python -m smile_jax.render MESH --out=PNG`."""

import pathlib
import sys
from typing import cast

from absl import app, flags, logging
from PIL import Image

from smile_jax.mesh import MeshError, frame_mesh, read_mesh, render_views
from smile_jax.mesh.cameras import Projection
from smile_jax.mesh.sheet import contact_sheet

_OUT = flags.DEFINE_string("out", "views.png", "Image to write.")
_YAWS = flags.DEFINE_list("yaws", ["-30", "0", "30"], "Camera yaws in degrees.")
_PITCH = flags.DEFINE_float("pitch", 0.0, "Camera pitch in degrees.")
_SIZE = flags.DEFINE_integer("size", 224, "Pixels of a view.")
_PROJECTION = flags.DEFINE_enum(
    "projection", "orthographic", ["orthographic", "perspective"], "Camera."
)


def main(argv: list[str]) -> None:
    if len(argv) != 2:
        raise app.UsageError("give one mesh: python -m smile_jax.render MESH --out=PNG")
    try:
        yaws = [float(yaw) for yaw in _YAWS.value]
        mesh = read_mesh(argv[1])
        framing = frame_mesh(mesh)
        buffers = render_views(
            mesh,
            yaws,
            _SIZE.value,
            pitch_deg=_PITCH.value,
            framing=framing,
            projection=cast(Projection, _PROJECTION.value),
        )
    except (MeshError, ValueError) as error:
        sys.exit(f"error: {error}")
    out = pathlib.Path(_OUT.value)
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(buffers, yaws)).save(out)
    repairs = ", ".join(f"{k}: {v}" for k, v in mesh.repairs.items()) or "none"
    print(
        f"{argv[1]}: {len(mesh.vertices)} points, {len(mesh.faces)} triangles, "
        f"{framing.mm_per_pixel(_SIZE.value):.3f} mm/pixel, repairs: {repairs}\n"
        f"wrote {out}"
    )


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)  # trimesh tells every step at INFO
    app.run(main)
