"""Colours of several materials, and the files that meshes name them by."""

import base64

import numpy as np
import pytest
from PIL import Image

from smile_jax.data.examples import Sequence4D, make_example
from smile_jax.data.mesh_sequence import MeshFiles
from smile_jax.data.schema import FacesConfig
from smile_jax.mesh import Framing, MeshError, read_mesh, render_views
from smile_jax.mesh.render import read_image
from tests.mesh.scenes import (
    ACCESSORS,
    BLOBS,
    SQUARE,
    glb,
    png,
    primitive,
    scene,
)

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
GREY = (128, 128, 128)
# Two squares side by side: left from x = -2 to 0, right from 0 to 2.
CORNERS = [(-2, 0), (0, 0), (0, 2), (-2, 2), (0, 0), (2, 0), (2, 2), (0, 2)]
FRAME = Framing((0.0, 1.0, 0.0), 4.0)


def picture(path, color=RED):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), color).save(path)
    return path


def halves(mesh):
    """Colours of the left and the right square."""
    seen = render_views(mesh, (0.0,), 16, framing=FRAME)["texture"][0]
    return [tuple(seen[8, column].tolist()) for column in (4, 12)]


def obj(left, right, library="mtllib a.mtl\n"):
    points = "".join(f"v {x} {y} {abs(x)}\n" for x, y in CORNERS)
    return (
        f"{library}{points}vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
        f"{left}f 1/1 2/2 3/3 4/4\n{right}f 5/1 6/2 7/3 8/4\n"
    )


def test_each_face_of_an_obj_has_its_material(tmp_path):
    """Not the first image that there is: skin without a map is not painted as eyes."""
    (tmp_path / "a.obj").write_text(obj("usemtl Skin\n", "usemtl Eye\n"))
    (tmp_path / "a.mtl").write_text(
        "newmtl Skin\nKd 0.2 0.4 0.6\nnewmtl Eye\nKd 0 0 0\nmap_Kd eye.png\n"
    )
    picture(tmp_path / "eye.png")
    assert halves(read_mesh(tmp_path / "a.obj")) == [(51, 102, 153), RED]
    (tmp_path / "a.mtl").write_text(
        "newmtl Skin\nmap_Kd skin.png\nnewmtl Eye\nmap_Kd eye.png\n"
    )
    picture(tmp_path / "skin.png", GREEN)
    mesh = read_mesh(tmp_path / "a.obj")
    assert halves(mesh) == [GREEN, RED] and not mesh.texture_notes
    # The same in the pixels of a dataset.
    config = FacesConfig(
        name="x", size=16, yaws_deg=(0.0,), channels=("texture",), pose="as_is",
        framing="box",
    )  # fmt: skip
    frames = MeshFiles([tmp_path / "a.obj"], needs_texture=True, unit_mm=50.0)
    made = make_example(Sequence4D("a", frames, {}), config)
    assert made.example is not None, made.skipped
    seen = made.example["views"][0, 0]
    assert tuple(seen[8, 4]) == GREEN and tuple(seen[8, 12]) == RED


def test_faces_whose_material_is_nowhere_are_not_painted_with_another(tmp_path):
    picture(tmp_path / "eye.png")
    (tmp_path / "a.mtl").write_text("newmtl Eye\nmap_Kd eye.png\n")
    (tmp_path / "a.obj").write_text(obj("usemtl None\n", "usemtl Eye\n"))
    mesh = read_mesh(tmp_path / "a.obj")
    assert halves(mesh) == [GREY, RED]
    assert mesh.texture_notes == (
        f"its material 'None' is not found in {tmp_path.parent}",
    )
    (tmp_path / "a.obj").write_text(obj("", "usemtl Eye\n"))
    assert halves(read_mesh(tmp_path / "a.obj")) == [GREY, RED]
    (tmp_path / "a.obj").write_text(obj("", ""))  # an image is for somebody
    assert halves(read_mesh(tmp_path / "a.obj")) == [RED, RED]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_marks_of_libraries(tmp_path, end):
    picture(tmp_path / "skin.png", GREEN)
    text = "newmtl Skin\nmap_Kd skin.png\nnewmtl Eye\nKd 1 0 0\n".replace("\n", end)
    (tmp_path / "a.mtl").write_bytes(b"\xef\xbb\xbf" + text.encode())
    content = obj("usemtl Skin\n", "usemtl Eye\n").replace("\n", end)
    (tmp_path / "a.obj").write_bytes(content.encode())
    assert halves(read_mesh(tmp_path / "a.obj")) == [GREEN, RED]


def test_two_large_images_and_tiles_of_one(tmp_path):
    """9 megapixels each, and coordinates in the second tile."""
    for name, color in (("a.png", GREEN), ("b.png", BLUE)):
        Image.new("RGB", (3000, 3000), color).save(tmp_path / name)
    (tmp_path / "a.mtl").write_text("newmtl A\nmap_Kd a.png\nnewmtl B\nmap_Kd b.png\n")
    (tmp_path / "a.obj").write_text(obj("usemtl A\n", "usemtl B\n"))
    assert halves(read_mesh(tmp_path / "a.obj")) == [GREEN, BLUE]
    two = Image.new("RGB", (4, 4), GREEN)
    two.paste(RED, (2, 0, 4, 4))
    two.save(tmp_path / "a.png")
    (tmp_path / "a.obj").write_text(
        "mtllib a.mtl\nv -2 0 0\nv 2 0 0\nv 2 2 0\nv -2 2 0\n"
        "vt 1 0\nvt 2 0\nvt 2 1\nvt 1 1\nusemtl A\nf 1/1 2/2 3/3 4/4\n"
    )
    assert halves(read_mesh(tmp_path / "a.obj")) == [GREEN, RED]


def test_materials_that_are_not_in_the_library(tmp_path):
    (tmp_path / "a.obj").write_text(obj("usemtl skin\n", "usemtl hair\n"))
    (tmp_path / "a.mtl").write_text("newmtl Skin\nKd 1 0 0\nnewmtl Eye\nKd 0 1 0\n")
    mesh = read_mesh(tmp_path / "a.obj")
    assert halves(mesh) == [RED, GREY]
    assert mesh.texture_notes == (
        f"its material 'hair' is not found in {tmp_path.parent}",
    )


def test_one_plain_colour_is_no_texture(tmp_path):
    (tmp_path / "a.obj").write_text(obj("usemtl Skin\n", ""))
    (tmp_path / "a.mtl").write_text("newmtl Skin\nKd 1 0 0\n")
    mesh = read_mesh(tmp_path / "a.obj")
    assert halves(mesh) == [RED, RED] and not mesh.has_texture
    with pytest.raises(MeshError, match="coordinates, and no image"):
        MeshFiles([tmp_path / "a.obj"], needs_texture=True)[0]


@pytest.mark.parametrize(
    "where, library, line",
    [
        ("textures/skin.png", "mtllib a.mtl\n", "map_Kd textures/skin.png"),
        ("textures/skin.png", "mtllib a.mtl\n", "map_Kd textures\\skin.png"),
        ("textures/Skin.PNG", "mtllib a.mtl\n", "map_kd textures/skin.png"),
        ("textures/skin.png", "mtllib a.mtl\n", "map_Kd Textures\\Skin.PNG"),
        ("../skins/skin.png", "mtllib a.mtl\n", "map_Kd ../skins/skin.png"),
        ("mtl/skin.png", "mtllib mtl\\b.mtl\n", "map_Kd skin.png"),
        ("skin.png", "mtllib ./none.mtl a.mtl\n", "map_Kd C:\\x\\skin.png"),
        ("my skin.png", "mtllib a b.mtl\n", "map_Kd my skin.png"),
    ],
)
def test_an_image_is_found_where_the_material_says(tmp_path, where, library, line):
    folder = tmp_path / "given" / "person"
    folder.mkdir(parents=True)
    (folder / "a.obj").write_text(obj("usemtl x\n", "", library))
    for name in ("a.mtl", "a b.mtl", "mtl/b.mtl"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"newmtl x\n{line}\n")
    image = picture(folder / where)
    (found,) = read_mesh(folder / "a.obj").images
    assert found.resolve() == image.resolve()


def test_nothing_outside_of_the_folder_is_opened(tmp_path):
    folder = tmp_path / "given" / "person"
    folder.mkdir(parents=True)
    picture(tmp_path / "secret.png")
    (folder / "a.obj").write_text(obj("usemtl x\n", "", "mtllib a.mtl\n"))
    (folder / "a.mtl").write_text("newmtl x\nmap_Kd ../../secret.png\n")
    mesh = read_mesh(folder / "a.obj")
    assert mesh.images == () and mesh.repairs["texture image missing"] == 1
    (said,) = mesh.texture_notes
    assert "'../../secret.png' is not found in" in said and "given" in said
    assert read_mesh(folder / "a.obj", tmp_path).images  # it is inside of that
    (folder / "b.obj").write_text(obj("", "", f"mtllib {tmp_path}/a.mtl\n"))
    (tmp_path / "a.mtl").write_text("newmtl x\nmap_Kd secret.png\n")
    (folder / "a.mtl").unlink()
    mesh = read_mesh(folder / "b.obj")
    assert mesh.images == () and "material library" in mesh.texture_notes[0]


def test_a_lost_texture_is_named_for_the_true_reason(tmp_path):
    folder = tmp_path / "p1"
    folder.mkdir()
    (folder / "a.obj").write_text(obj("usemtl x\n", ""))
    (folder / "a.mtl").write_text("newmtl x\nmap_Kd skins/a.tga\n")
    with pytest.raises(MeshError, match=r"a\.obj: its texture image 'skins/a.tga' is"):
        MeshFiles([folder / "a.obj"], needs_texture=True, within=tmp_path)[0]


VRML = """#VRML V2.0 utf8
DEF Left Transform {{ translation -2 0 0 children [
  DEF S Shape {{
    appearance Appearance {{ {left} }}
    geometry DEF G IndexedFaceSet {{
      coord Coordinate {{ point [0 0 0, 2 0 0, 2 2 0, 0 2 0] }}
      texCoord TextureCoordinate {{ point [0 0, 1 0, 1 1, 0 1] }}
      coordIndex [0 1 2 3 -1]
    }}
  }}
] }}
{right}
"""
OTHER = (
    'Shape { appearance Appearance { texture ImageTexture { url "b.png" } } '
    "geometry USE G }"
)


def test_parts_of_a_vrml_have_their_place_and_their_image(tmp_path):
    picture(tmp_path / "a.png"), picture(tmp_path / "b.png", BLUE)
    left = 'texture ImageTexture { url "a.png" }'
    (tmp_path / "s.wrl").write_text(VRML.format(left=left, right=OTHER))
    mesh = read_mesh(tmp_path / "s.wrl")
    assert halves(mesh) == [RED, BLUE] and len(mesh.faces) == 4
    left = "material Material { diffuseColor 0.2 0.4 0.6 }"
    (tmp_path / "s.wrl").write_text(VRML.format(left=left, right=OTHER))
    assert halves(read_mesh(tmp_path / "s.wrl")) == [(51, 102, 153), BLUE]
    (tmp_path / "s.wrl").write_text(VRML.format(left=left, right="USE S"))
    assert halves(read_mesh(tmp_path / "s.wrl")) == [(51, 102, 153)] * 2


def test_a_vrml_transform_is_applied_as_the_standard_says(tmp_path):
    """T C R SR S -SR -C, outer after inner."""
    text = (
        "#VRML V2.0 utf8\nTransform { scale 2 2 2 translation 10 0 0 children [ "
        "Transform { rotation 0 0 1 1.5707963 center 1 0 0 scale 1 3 1 children [ "
        "Shape { geometry IndexedFaceSet { coord Coordinate { point [0 0 0, 1 0 0, "
        "0 1 0] } coordIndex [0 1 2 -1] } } ] } ] }"
    )
    (tmp_path / "t.wrl").write_text(text)
    # (0, 0, 0) is (-1, 0) from the centre, turned (0, -1), back (1, -1), then doubled.
    expected = [[12, -2, 0], [12, 0, 0], [6, -2, 0]]
    np.testing.assert_allclose(
        read_mesh(tmp_path / "t.wrl").vertices, expected, atol=1e-5
    )
    (tmp_path / "t.wrl").write_text(text.replace("scale 2 2 2", "scale -2 2 2"))
    mesh = read_mesh(tmp_path / "t.wrl")
    a, b, c = mesh.vertices[mesh.faces[0]]
    assert np.cross(b - a, c - a)[2] > 0  # mirrored points, and still the same side


def test_vrml_with_prototypes_and_names_in_utf_8(tmp_path):
    proto = "PROTO Foo [ ] { Shape { } }\nEXTERNPROTO Bar [ field SFNode x NULL ] []\n"
    text = VRML.format(left="", right="").replace("DEF S Shape", "DEF \u9854 Shape")
    text = text.replace("coord Coordinate", "coord DEF \u70b9:a Coordinate")
    head, body = text.split("\n", 1)
    (tmp_path / "p.wrl").write_text(f"{head}\n{proto}{body}{proto}", encoding="utf-8")
    mesh = read_mesh(tmp_path / "p.wrl")
    assert len(mesh.faces) == 2 and mesh.vertices[:, 0].min() == -2
    assert mesh.notes == tuple(
        f"its {n} nodes are not read" for n in ("PROTO", "EXTERNPROTO")
    )


def test_vrml_shapes_again_and_again(tmp_path):
    points = ", ".join(f"{i} {i * i % 7} 0" for i in range(500))
    faces = " ".join(f"{i} {i + 1} {i + 2} -1" for i in range(498))
    shape = (
        "DEF a Shape { geometry IndexedFaceSet { coord Coordinate { point "
        f"[{points}] }} coordIndex [{faces}] }} }}\n"
    )
    (tmp_path / "a.wrl").write_text("#VRML V2.0 utf8\n" + shape + "USE a " * 3000)
    with pytest.raises(
        MeshError, match=r"a\.wrl: byte \d+: nodes used again place over"
    ):
        read_mesh(tmp_path / "a.wrl")


def test_vrml_that_uses_itself_again_and_again(tmp_path):
    groups = "".join(
        f"DEF G{i} Group {{ children [ {f'USE G{i - 1} ' * 10} ] }}\n"
        for i in range(1, 12)
    )
    shape = VRML.format(left="", right="").replace("DEF Left", "DEF G0")
    for text in (shape + groups, shape + "DEF A Group { children [ USE A ] }"):
        (tmp_path / "loop.wrl").write_text(text)
        with pytest.raises(MeshError, match=r"loop\.wrl: byte \d+: nodes used again"):
            read_mesh(tmp_path / "loop.wrl")
    (tmp_path / "old.wrl").write_text("#VRML V1.0 ascii\nSeparator { }\n")
    with pytest.raises(MeshError, match=r"VRML 1\.0, and VRML 2\.0 is read"):
        read_mesh(tmp_path / "old.wrl")


def test_images_inside_of_a_glb_and_colours_of_primitives(tmp_path):
    image = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    half = {"pbrMetallicRoughness": {"baseColorFactor": [0.2159, 0, 1, 1]}}
    tree = {
        "accessors": ACCESSORS,
        "meshes": [{"primitives": [primitive(0)]}, {"primitives": [primitive(1)]}],
        "nodes": [{"mesh": 0, "translation": [-2, 0, 0]}, {"mesh": 1}],
        "scenes": [{"nodes": [0, 1]}],
        "materials": [image, half],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 3, "mimeType": "image/png"}],
    }
    path = glb(tmp_path / "a.glb", tree, [*BLOBS, png(GREEN)])
    # 0.2159 of the light is half of what a screen is told.
    assert halves(read_mesh(path)) == [GREEN, (128, 0, 255)]
    tree["images"] = [{"uri": "data:image/png;base64,"
                       + base64.b64encode(png(BLUE)).decode()}]  # fmt: skip
    assert halves(read_mesh(glb(path, tree, BLOBS)))[0] == BLUE
    image["pbrMetallicRoughness"]["baseColorFactor"] = [1, 1, 0.2159, 1]
    assert halves(read_mesh(glb(path, tree, BLOBS)))[0] == (0, 0, 128)
    tree["images"] = [{"uri": "gone.png"}]
    mesh = read_mesh(glb(path, tree, BLOBS))
    assert "'gone.png' is not found" in mesh.texture_notes[0]
    tree["images"] = [{"bufferView": 0, "mimeType": "image/webp"}]
    mesh = read_mesh(glb(path, tree, BLOBS))
    assert mesh.texture_notes == ("its image 0 is image/webp, not read",)


def test_one_image_in_two_tints_and_bombs(tmp_path):
    def tinted(*factor):
        look = {"baseColorTexture": {"index": 0}, "baseColorFactor": [*factor, 1]}
        return {"pbrMetallicRoughness": look}

    tree = {
        "accessors": ACCESSORS,
        "meshes": [{"primitives": [primitive(0)]}, {"primitives": [primitive(1)]}],
        "nodes": [{"mesh": 0, "translation": [-2, 0, 0]}, {"mesh": 1}],
        "materials": [tinted(1, 0, 0), tinted(0, 1, 0)],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 3}],
    }
    path = glb(tmp_path / "a.glb", tree, [*BLOBS, png((255, 255, 255))])
    assert halves(read_mesh(path)) == [RED, GREEN]
    nothing = {"componentType": 5126, "count": 2 * 10**8, "type": "VEC2"}
    tree["accessors"] = [ACCESSORS[0], nothing, ACCESSORS[2]]
    path = glb(tmp_path / "a.glb", tree, [*BLOBS, png((255, 255, 255))])
    with pytest.raises(MeshError, match=r"a\.glb: .*200000000 x 2 numbers in"):
        read_mesh(path)


def test_morph_weights_are_the_expression(tmp_path):
    up = np.array([[0, 1, 0]] * 4, "<f4")
    accessors = [*ACCESSORS, {**ACCESSORS[0], "bufferView": 3}]
    meshes = [{"primitives": [primitive(targets=[{"POSITION": 3}])], "weights": [0.5]}]
    tree = scene(accessors=accessors, meshes=meshes, animations=[{}])
    mesh = read_mesh(glb(tmp_path / "m.glb", tree, [*BLOBS, up.tobytes()]))
    np.testing.assert_allclose(mesh.vertices, SQUARE + np.array([0, 0.5, 0]))
    assert mesh.notes == ("its animations are not read, it is as at rest",)
    tree["nodes"] = [{"mesh": 0, "weights": [2]}]  # a node's own come first
    mesh = read_mesh(glb(tmp_path / "m.glb", tree, [*BLOBS, up.tobytes()]))
    np.testing.assert_allclose(mesh.vertices, SQUARE + np.array([0, 2, 0]))


def test_sparse_and_normalised_and_empty_accessors(tmp_path):
    few, values = np.array([2], "<u2"), np.array([[5, 6, 7]], "<f4")
    sparse = {
        "count": 1,
        "indices": {"bufferView": 3, "componentType": 5123},
        "values": {"bufferView": 4},
    }
    whole = [*BLOBS, few.tobytes(), values.tobytes()]
    changed = SQUARE.copy()
    changed[2] = [5, 6, 7]
    tree = scene(accessors=[{**ACCESSORS[0], "sparse": sparse}, *ACCESSORS[1:]])
    np.testing.assert_allclose(
        read_mesh(glb(tmp_path / "s.glb", tree, whole)).vertices, changed
    )
    # As a morph target without bytes of its own: zeros but for what is sparse.
    nothing = {"componentType": 5126, "count": 4, "type": "VEC3", "sparse": sparse}
    meshes = [{"primitives": [primitive(targets=[{"POSITION": 3}])], "weights": [1]}]
    tree = scene(accessors=[*ACCESSORS, nothing], meshes=meshes)
    moved = SQUARE.copy()
    moved[2] += [5, 6, 7]
    np.testing.assert_allclose(
        read_mesh(glb(tmp_path / "s.glb", tree, whole)).vertices, moved
    )
    short = np.zeros((4, 4), "<i2")  # rows of 8 bytes
    short[:, :3] = [[0, 0, 0], [32767, 0, 0], [32767, 16384, 0], [0, -32768, 0]]
    quantised = {"bufferView": 0, "componentType": 5122, "normalized": True,
                 "count": 4, "type": "VEC3"}  # fmt: skip
    tree = scene(accessors=[quantised, *ACCESSORS[1:]])
    tree["nodes"] = [{"mesh": 0, "scale": [100, 100, 100]}]
    tree["bufferViews"] = [
        {"buffer": 0, "byteOffset": 0, "byteLength": 32, "byteStride": 8},
        {"buffer": 0, "byteOffset": 32, "byteLength": 32},
        {"buffer": 0, "byteOffset": 64, "byteLength": 12},
    ]
    path = glb(tmp_path / "q.glb", tree, [short.tobytes(), *BLOBS[1:]])
    expected = [[0, 0, 0], [100, 0, 0], [100, 50.0015, 0], [0, -100, 0]]
    np.testing.assert_allclose(read_mesh(path).vertices, expected, atol=1e-3)


def test_many_nodes_and_skins(tmp_path):
    """300 nodes deep in nothing; and a skin, whose node's own place does not count."""
    tree = scene(nodes=[{"mesh": 0}, *({"translation": [1, 0, 0]} for _ in range(300))])
    assert len(read_mesh(glb(tmp_path / "n.glb", tree, BLOBS)).vertices) == 4
    joints, weights = np.zeros((4, 4), "u1"), np.zeros((4, 4), "<f4")
    joints[:2, 0], weights[:, 0] = 1, 1
    inverse = np.eye(4)
    inverse[:3, 3] = [0, -1, 0]
    binds = np.stack([np.eye(4).T, inverse.T]).astype("<f4")
    more = [
        {"bufferView": 3, "componentType": 5121, "count": 4, "type": "VEC4"},
        {"bufferView": 4, "componentType": 5126, "count": 4, "type": "VEC4"},
        {"bufferView": 5, "componentType": 5126, "count": 2, "type": "MAT4"},
    ]
    attributes = {"POSITION": 0, "JOINTS_0": 3, "WEIGHTS_0": 4}
    tree = scene(
        accessors=[*ACCESSORS, *more],
        meshes=[{"primitives": [{"attributes": attributes, "indices": 2}]}],
        nodes=[
            {"mesh": 0, "skin": 0, "translation": [9, 9, 9]},
            {"children": [2], "scale": [10, 10, 10]},
            {"translation": [0, 0, 1]},
        ],
        skins=[{"joints": [1, 2], "inverseBindMatrices": 5}],
    )
    blobs = [*BLOBS, joints.tobytes(), weights.tobytes(), binds.tobytes()]
    found = read_mesh(glb(tmp_path / "k.glb", tree, blobs)).vertices
    expected = SQUARE * 10
    expected[:2] = (SQUARE[:2] + np.array([0, -1, 1])) * 10
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    "name, said",
    [("KHR_draco_mesh_compression", "Draco"), ("EXT_meshopt_compression", "meshopt")],
)
def test_compressed_scenes_are_named(tmp_path, name, said):
    path = glb(tmp_path / "c.glb", scene(extensionsRequired=[name]), BLOBS)
    with pytest.raises(MeshError, match=rf"c\.glb: .*by {said} .* export it without"):
        read_mesh(path)


def test_images_of_more_than_8_bits(tmp_path):
    ramp = np.linspace(0, 65535, 16).astype(np.uint16).reshape(4, 4)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    expected = np.round(ramp / 257).astype(int)
    found = read_image(tmp_path / "a.png")
    assert found.shape == (4, 4, 3) and np.abs(found[..., 0] - expected).max() <= 1
    for scale in (1.0, 255.0, 3000.0):
        share = (ramp / 65535 * scale).astype(np.float32)
        Image.fromarray(share).save(tmp_path / "a.tif")
        found = read_image(tmp_path / "a.tif")[..., 0]
        assert np.abs(found - expected).max() <= 1, scale


def test_palettes_inks_and_what_is_transparent(tmp_path):
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([9, 9, 9, *RED])
    palette.save(tmp_path / "p.png", transparency=0)
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    inks.save(tmp_path / "c.jpg", quality=100)
    Image.new("RGBA", (4, 4), (*RED, 10)).save(tmp_path / "t.png")
    for name in ("p.png", "c.jpg", "t.png"):
        found = read_image(tmp_path / name)[2, 2].astype(int)
        assert np.abs(found - RED).max() <= 3, (name, found)
