"""Renders a contact sheet: `python -m smile_jax.render MESH --out=PNG`."""

import pathlib
from typing import cast

from absl import flags
from PIL import Image

from smile_jax import commands
from smile_jax.mesh import frame_mesh, read_mesh, render_views
from smile_jax.mesh.cameras import Projection
from smile_jax.mesh.sheet import contact_sheet

_OUT = flags.DEFINE_string("out", "views.png", "Image to write.")
_YAWS = flags.DEFINE_list("yaws", ["-30", "0", "30"], "Camera yaws in degrees.")
_PITCH = flags.DEFINE_float("pitch", 0.0, "Camera pitch in degrees.")
_SIZE = flags.DEFINE_integer("size", 224, "Pixels of a view.", 1, 8192)
_PROJECTION = flags.DEFINE_enum(
    "projection", "orthographic", ["orthographic", "perspective"], "Camera."
)


def main(argv: list[str]) -> None:
    file = commands.one_word(argv, "one mesh")
    out = pathlib.Path(_OUT.value)
    if out.suffix.lower() not in Image.registered_extensions() or out.is_dir():
        raise ValueError(f"--out={out}: name an image file, such as {out}.png")
    yaws = [float(yaw) for yaw in _YAWS.value]
    mesh = read_mesh(file)
    framing = frame_mesh(mesh)
    buffers = render_views(
        mesh,
        yaws,
        _SIZE.value,
        pitch_deg=_PITCH.value,
        framing=framing,
        projection=cast(Projection, _PROJECTION.value),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(buffers, yaws)).save(out)
    repairs = ", ".join(f"{k}: {v}" for k, v in mesh.repairs.items()) or "none"
    print(
        f"{file}: {len(mesh.vertices)} points, {len(mesh.faces)} triangles, "
        f"{framing.mm_per_pixel(_SIZE.value):.3f} mm/pixel, repairs: {repairs}\n"
        f"wrote {out}"
    )


if __name__ == "__main__":
    commands.run(main)
