"""Renders a contact sheet of a mesh, or of a folder of meshes.

    smile-jax render MESH_OR_FOLDER --out=PNG

Of a folder the meshes are drawn one below the other, each by its lit views. Heads are
turned as --pose says, and shown as large as a face is then; by default as they are.
"""

import pathlib
from typing import cast

import numpy as np
from absl import flags
from PIL import Image

from smile_jax.core import command_line
from smile_jax.landmarking.first_look import NoFaceError
from smile_jax.landmarking.head_scan import HeadScan, look_at
from smile_jax.mesh import Framing, Mesh, MeshError, frame_mesh, read_mesh, render_views
from smile_jax.mesh.cameras import Projection
from smile_jax.mesh.contact_sheet import contact_sheet, stacked_sheets
from smile_jax.mesh.pose import frontalize, pose_from_surface

_OUT = flags.DEFINE_string("out", "views.png", "Image to write.")
_YAWS = flags.DEFINE_list("yaws", ["-30", "0", "30"], "Camera yaws in degrees.")
_PITCH = flags.DEFINE_float("pitch", 0.0, "Camera pitch in degrees.")
_SIZE = flags.DEFINE_integer("size", 224, "Side of a view in pixels.", 1, 8192)
_PROJECTION = flags.DEFINE_enum(
    "projection",
    "orthographic",
    ["orthographic", "perspective"],
    "Projection of the camera.",
)
_POSE = flags.DEFINE_enum(
    "pose", "as_is", ["as_is", "found", "surface"],
    "Turn heads not at all, by the face that is found, or by their surface.",
)  # fmt: skip
_UNIT = flags.DEFINE_float(
    "unit_mm",
    0.0,
    "Millimetres per unit of the files; by the size of the face by default.",
    0.0,
)
_MOST = 40  # meshes of a folder
_ROWS_OF_MANY = ("lit", "normals")


def main(argv: list[str]) -> None:
    """Runs the command."""
    path = pathlib.Path(command_line.one_word(argv, "one mesh, or a folder of them"))
    out = pathlib.Path(_OUT.value)
    if out.suffix.lower() not in Image.registered_extensions() or out.is_dir():
        raise ValueError(f"--out={out}: name an image file, such as {out}.png")
    if path.is_dir():
        sheet = _sheet_of_folder(path)
    else:
        sheet, said = _sheet(path, (), None)
        print(said)
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(out)
    print(f"wrote {out}")


def _sheet_of_folder(folder: pathlib.Path) -> np.ndarray:
    from smile_jax.inference.input_files import meshes_in

    paths = meshes_in(folder)
    sheets = []
    for path in paths[:_MOST]:
        try:
            sheet, said = _sheet(path, _ROWS_OF_MANY, folder)
        except MeshError as error:
            print(f"skipped: {error}")
            continue
        sheets.append(sheet)
        print(said)
    if len(paths) > _MOST:
        print(f"drawn: the first {_MOST} of {len(paths)}")
    if not sheets:
        raise MeshError(f"{folder}: none of its {len(paths)} meshes can be drawn")
    return stacked_sheets(sheets)


def _sheet(
    path: pathlib.Path, rows: tuple[str, ...], within: pathlib.Path | None
) -> tuple[np.ndarray, str]:
    """Returns the sheet of one mesh, and lines about it."""
    mesh = read_mesh(path, within)
    scan = look_at(mesh, _UNIT.value)
    warnings = [*mesh.notes, *mesh.texture_notes, *scan.notes]
    if not scan.found:
        warnings.append(str(NoFaceError(scan.face)))
    mesh, framing = _placed(scan.prepared(mesh), scan)
    yaws = [float(yaw) for yaw in _YAWS.value]
    buffers = render_views(
        mesh,
        yaws,
        _SIZE.value,
        pitch_deg=_PITCH.value,
        framing=framing,
        projection=cast(Projection, _PROJECTION.value),
    )
    repairs = ", ".join(f"{k}: {v}" for k, v in mesh.repairs.items()) or "none"
    said = (
        f"{path}: {len(mesh.vertices)} points, {len(mesh.faces)} triangles, unit "
        f"{scan.unit_mm:g} mm, {framing.mm_per_pixel(_SIZE.value):.3f} mm/pixel, "
        f"repairs: {repairs}"
        + "".join(f"\n  warning: {warning}" for warning in warnings)
    )
    return contact_sheet(buffers, yaws, title=path.name, rows=rows), said


def _placed(mesh: Mesh, scan: HeadScan) -> tuple[Mesh, Framing]:
    """Returns the mesh turned, and the framing of its pictures."""
    if _POSE.value == "as_is":
        return mesh, frame_mesh(mesh)
    if _POSE.value == "found":
        if scan.face is None or not scan.found:
            raise NoFaceError(scan.face)
        pose = scan.face.pose
    else:
        pose = pose_from_surface(mesh)
    return frontalize(mesh, pose), pose.framing


if __name__ == "__main__":
    command_line.run(main)
