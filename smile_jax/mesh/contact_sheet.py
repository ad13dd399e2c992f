"""A contact sheet of rendered buffers: views across, buffers down."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

_BACKGROUND = np.array([24, 26, 30], np.uint8)
_MARGIN, _GAP = 72, 4


def contact_sheet(
    buffers: dict[str, np.ndarray],
    yaws_deg: Sequence[float],
    *,
    title: str = "",
    rows: Sequence[str] = (),
) -> UInt8[np.ndarray, "h w 3"]:
    """Lit colours, texture, normals, depth and shading of every view, labelled.

    Args:
      buffers: of `render_views`.
      yaws_deg: the views' yaws, for the labels.
      title: of the sheet, such as the file and what it was taken for.
      rows: which of them; () for all.
    """
    mask = buffers["mask"]
    shading = buffers["shaded"][..., None]
    depth = buffers["depth"]
    covered = depth[mask] if mask.any() else np.zeros(1)
    near = (depth - covered.min()) / max(float(np.ptp(covered)), 1e-6)
    pictures = {
        "lit": np.clip(buffers["texture"] * shading * 1.15, 0, 255),
        "texture": buffers["texture"],
        "normals": 127.5 + 127.5 * buffers["normals"],
        "depth": 255 * _warm(0.08 + 0.92 * np.clip(near, 0, 1)),
        "shaded": 255 * np.repeat(shading, 3, axis=-1),
    }
    shown = {name: pictures[name] for name in rows or pictures}
    views, size = mask.shape[:2]
    head = 24 + 20 * bool(title)
    height = len(shown) * (size + _GAP) + head
    sheet = Image.new(
        "RGB", (_MARGIN + views * (size + _GAP), height), tuple(map(int, _BACKGROUND))
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    draw.text((8, 5), title, fill=(235, 237, 240), font=font)
    for r, (name, images) in enumerate(shown.items()):
        top = head + r * (size + _GAP)
        draw.text((8, top + size / 2 - 8), name, fill=(190, 194, 200), font=font)
        for v in range(views):
            cell = np.where(mask[v][..., None], images[v], _BACKGROUND).astype(np.uint8)
            sheet.paste(Image.fromarray(cell), (_MARGIN + v * (size + _GAP), top))
    for v, yaw in enumerate(yaws_deg):
        where = (_MARGIN + v * (size + _GAP) + size / 2 - 20, head - 19)
        draw.text(where, f"{yaw:+.0f} deg", fill=(190, 194, 200), font=font)
    return np.asarray(sheet)


def stacked_sheets(
    sheets: Sequence[UInt8[np.ndarray, "_ _ 3"]],
) -> UInt8[np.ndarray, "h w 3"]:
    """Stacks sheets one below the other, filled up to the widest."""
    width = max(sheet.shape[1] for sheet in sheets)
    rows = []
    for sheet in sheets:
        filled = np.broadcast_to(_BACKGROUND, (len(sheet), width, 3)).copy()
        filled[:, : sheet.shape[1]] = sheet
        rows.append(filled)
    return np.concatenate(rows)


def _warm(x: np.ndarray) -> np.ndarray:
    """Dark violet over red to pale yellow, perceptually ordered; (..., 3) in [0, 1]."""
    stops = np.array(
        [
            [0.02, 0.02, 0.08],
            [0.34, 0.06, 0.43],
            [0.73, 0.21, 0.33],
            [0.98, 0.55, 0.04],
            [0.99, 1.0, 0.64],
        ]
    )
    where = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(x, where, stops[:, k]) for k in range(3)], axis=-1)
