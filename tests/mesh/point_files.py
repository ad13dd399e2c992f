"""Point clouds in files of the Point Cloud Library."""

import numpy as np


def packed(data: bytes) -> bytes:
    """LZF with literals alone, and one run that repeats."""
    out = b""
    for i in range(0, len(data), 32):
        part = data[i : i + 32]
        out += bytes([len(part) - 1]) + part
    return out


def pcd(path, points, form, height=1, colors=None):
    fields, sizes, kinds = "x y z", "4 4 4", "F F F"
    columns = [points.astype("<f4")[:, k] for k in range(3)]
    if colors is not None:
        fields, sizes, kinds = fields + " rgb", sizes + " 4", kinds + " F"
        bits = colors[:, 0] << 16 | colors[:, 1] << 8 | colors[:, 2]
        columns.append(bits.astype("<u4").view("<f4"))
    counts = " ".join("1" for _ in columns)
    head = (
        f"# .PCD v0.7\nVERSION 0.7\nFIELDS {fields}\nSIZE {sizes}\nTYPE {kinds}\n"
        f"COUNT {counts}\nWIDTH {len(points) // height}\nHEIGHT {height}\n"
        f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\nDATA {form}\n"
    ).encode()
    table = np.stack(columns, axis=1)
    if form == "ascii":
        body = "\n".join(" ".join(f"{x:.9g}" for x in row) for row in table).encode()
    elif form == "binary":
        body = table.tobytes()
    else:
        raw = b"".join(np.ascontiguousarray(c).tobytes() for c in columns)
        small = packed(raw)
        body = np.array([len(small), len(raw)], "<u4").tobytes() + small
    path.write_bytes(head + body)
    return path
