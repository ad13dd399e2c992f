"""Small glTF scenes, written by hand."""

import io
import json
import struct

import numpy as np
from PIL import Image


def png(color):
    file = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(file, "PNG")
    return file.getvalue()


def glb(path, tree, blobs):
    """A `.glb` of buffer views, one for each blob."""
    binary, views = b"", []
    for blob in blobs:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(blob)})
        binary += blob + b"\0" * (-len(blob) % 4)
    tree = {"asset": {"version": "2.0"}, "buffers": [{"byteLength": len(binary)}],
            "bufferViews": views, **tree}  # fmt: skip
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    size = 28 + len(text) + len(binary)
    path.write_bytes(
        struct.pack("<4sIII", b"glTF", 2, size, len(text)) + b"JSON" + text
        + struct.pack("<I", len(binary)) + b"BIN\0" + binary
    )  # fmt: skip
    return path


SQUARE = np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]], "<f4")
FLAT = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], "<f4")  # v goes down
INDEX = np.array([0, 1, 2, 0, 2, 3], "<u2")
ACCESSORS = [
    {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
    {"bufferView": 1, "componentType": 5126, "count": 4, "type": "VEC2"},
    {"bufferView": 2, "componentType": 5123, "count": 6, "type": "SCALAR"},
]
BLOBS = [SQUARE.tobytes(), FLAT.tobytes(), INDEX.tobytes()]


def primitive(material=None, **more):
    found = {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, **more}
    return found if material is None else {**found, "material": material}


def scene(**more):
    return {"accessors": ACCESSORS, "meshes": [{"primitives": [primitive()]}],
            "nodes": [{"mesh": 0}], **more}  # fmt: skip


def rich_scene(path):
    """All that is read of a scene: morphs, a skin, sparse numbers, an image."""
    joints, weights = np.zeros((4, 4), "u1"), np.zeros((4, 4), "<f4")
    weights[:, 0] = 1
    ridge = SQUARE.copy()
    ridge[:2, 2] = 1
    more = [
        {"bufferView": 3, "componentType": 5121, "count": 4, "type": "VEC4"},
        {"bufferView": 4, "componentType": 5126, "count": 4, "type": "VEC4"},
        {
            "componentType": 5126, "count": 4, "type": "VEC3",
            "sparse": {
                "count": 1, "indices": {"bufferView": 5, "componentType": 5123},
                "values": {"bufferView": 6},
            },
        },
    ]  # fmt: skip
    attributes = {"POSITION": 0, "TEXCOORD_0": 1, "JOINTS_0": 3, "WEIGHTS_0": 4}
    tree = scene(
        accessors=[*ACCESSORS, *more],
        meshes=[
            {
                "primitives": [
                    {
                        "attributes": attributes, "indices": 2, "material": 0,
                        "targets": [{"POSITION": 5}],
                    }
                ],
                "weights": [0.5],
            }
        ],
        nodes=[
            {"mesh": 0, "skin": 0},
            {"rotation": [0, 0, 0.1, 1], "children": [2]},
            {"scale": [2, 2, 2], "translation": [1, 0, 0]},
        ],
        skins=[{"joints": [2]}],
        materials=[{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        textures=[{"source": 0}],
        images=[{"bufferView": 7, "mimeType": "image/png"}],
    )  # fmt: skip
    few, moved = np.array([2], "<u2"), np.array([[0, 0, 1]], "<f4")
    blobs = [ridge.tobytes(), *BLOBS[1:], joints.tobytes(), weights.tobytes()]
    return glb(path, tree, [*blobs, few.tobytes(), moved.tobytes(), png((9, 9, 9))])
