"""The rasteriser against closed forms."""

import numpy as np
import pytest
from PIL import Image

from smile_jax.mesh import Framing, Mesh, MeshError, render_views
from smile_jax.mesh.cameras import PERSPECTIVE_DISTANCE, frame_mesh, view_rotation
from smile_jax.mesh.types import Material
from tests.mesh.shapes import mesh, quad, sphere

FRAME = Framing((0.0, 0.0, 0.0), 128.0)  # 1 mm a pixel at 128 pixels


def pixel_grid(size=128, extent=128.0):
    """World x (columns) and y (rows, downward) of the pixel centres."""
    x = (np.arange(size) + 0.5) / size * extent - extent / 2
    return x[None, :], -x[:, None]


def test_sphere_depth_normals_and_outline():
    out = render_views(sphere(), (0, 40), 128, framing=FRAME)
    x, y = pixel_grid()
    radius = np.hypot(x, y)
    inside = radius < 48
    for view in (0, 1):  # a sphere looks alike from everywhere
        depth = np.sqrt(np.maximum(50**2 - radius**2, 0))
        np.testing.assert_allclose(out["depth"][view][inside], depth[inside], atol=0.1)
        normals = np.stack(np.broadcast_arrays(x, y, depth), -1) / 50
        error = np.linalg.norm(out["normals"][view] - normals, axis=-1)
        assert error[inside].max() < 0.02
        assert out["mask"][view][radius < 49.5].all()
        assert not out["mask"][view][radius > 50.5].any()


@pytest.mark.parametrize("edge", [20.25, 20.75])
def test_edges_are_exact_to_a_pixel_centre(edge):
    out = render_views(quad(edge), (0,), 128, framing=FRAME)
    x, y = pixel_grid()
    np.testing.assert_array_equal(out["mask"][0], (abs(x) < edge) & (abs(y) < edge))


def test_plane_depth_is_linear_and_subpixel():
    slope = 0.3
    corners = [
        [x, y, slope * x] for x, y in ((-60, -60), (60, -60), (60, 60), (-60, 60))
    ]
    out = render_views(mesh(corners, [[0, 1, 2], [0, 2, 3]]), (0,), 128, framing=FRAME)
    x, _ = pixel_grid()
    expected = np.broadcast_to(slope * x, (128, 128))
    mask = out["mask"][0]
    np.testing.assert_allclose(out["depth"][0][mask], expected[mask], atol=0.01)
    normal = np.array([-slope, 0, 1]) / np.hypot(slope, 1)
    np.testing.assert_allclose(
        out["normals"][0][mask], np.tile(normal, (mask.sum(), 1)), atol=1e-5
    )


def test_yaw_shows_the_side_it_is_on():
    """At yaw +90 the camera stands at +x: what is at +z appears on the left."""
    marker = quad(5.0)
    at_side = mesh(
        marker.vertices[:, [2, 1, 0]] * [1, 1, -1] + [0, 0, 30], marker.faces
    )
    out = render_views(at_side, (90,), 128, framing=FRAME)
    columns = np.flatnonzero(out["mask"][0].any(axis=0))
    assert columns.min() >= 64 - 36 and columns.max() <= 64 - 24
    np.testing.assert_allclose(view_rotation(90) @ [1, 0, 0], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(view_rotation(0, 90) @ [0, 1, 0], [0, 0, 1], atol=1e-6)


def test_perspective_sizes_and_depth():
    distance = PERSPECTIVE_DISTANCE * FRAME.extent
    for z in (-100.0, 0.0, 100.0):
        out = render_views(
            quad(30, z), (0,), 128, framing=FRAME, projection="perspective"
        )
        half = 30 * distance / (distance - z)
        assert abs(np.sqrt(out["mask"][0].sum()) - 2 * half) < 1.1
        np.testing.assert_allclose(out["depth"][0][out["mask"][0]], z, atol=0.05)


def test_perspective_texture_is_corrected():
    """The middle of a receding square lies off the middle of its picture."""
    u = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0] = np.arange(64)[None] * 4
    corners = [[-50, -50, -200], [50, -50, 200], [50, 50, 200], [-50, 50, -200]]
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    slanted = mesh(corners, faces, uv=u, uv_faces=faces)
    out = render_views(
        slanted, (0,), 128, framing=FRAME, projection="perspective", texture=image
    )
    row = out["texture"][0, 64, :, 0].astype(float)
    distance = PERSPECTIVE_DISTANCE * FRAME.extent
    x, _ = pixel_grid()
    # x_screen = X D / (D - 4 X), so X = x D / (D + 4 x).
    world = x[0] * distance / (distance + 4 * x[0])
    covered = out["mask"][0, 64] & (abs(world) < 48)
    expected = ((world + 50) / 100 * 64 - 0.5) * 4
    assert np.abs(row - expected)[covered].max() < 2


def test_textured_quad_with_a_seam_is_bilinear():
    """Two halves of a square with unconnected UVs meet without a gap."""
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0], image[0, 1], image[1, 0], image[1, 1] = (
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        255,
    )
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 0], [1, 1], [0, 1]], np.float32)
    seam = quad(64, uv=uv, uv_faces=np.array([[0, 1, 2], [3, 4, 5]], np.int32))
    whole = quad(64, uv=uv[[0, 1, 2, 5]], uv_faces=faces)
    a = render_views(seam, (0,), 128, framing=FRAME, texture=image)["texture"]
    b = render_views(whole, (0,), 128, framing=FRAME, texture=image)["texture"]
    np.testing.assert_array_equal(a, b)
    # Corners hold the image's corners (v is up), the middle their mean.
    np.testing.assert_array_equal(a[0, 0, 0], (255, 0, 0))
    np.testing.assert_array_equal(a[0, 127, 0], (0, 0, 255))
    np.testing.assert_allclose(a[0, 64, 64], 255 * np.array([0.5, 0.5, 0.5]), atol=3)


def test_shared_edges_neither_overlap_nor_gap(rng):
    """A fan of random triangles covers its disc exactly once."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, 60))
    rim = np.stack([60 * np.cos(angles), 60 * np.sin(angles), np.zeros(60)], 1)
    vertices = np.concatenate([[[0.013, -0.021, 0]], rim])
    faces = [[0, 1 + i, 1 + (i + 1) % 60] for i in range(60)]
    count = np.zeros((128, 128), int)
    for face in faces:
        count += render_views(mesh(vertices, [face]), (0,), 128, framing=FRAME)["mask"][
            0
        ]
    union = render_views(mesh(vertices, faces), (0,), 128, framing=FRAME)["mask"][0]
    np.testing.assert_array_equal(count, union.astype(int))
    x, y = pixel_grid()
    assert union[np.hypot(x, y) < 50].all()


def test_nearer_surface_wins_whatever_the_order():
    near, far = quad(20, 10), quad(40, -10)
    for first, second in ((near, far), (far, near)):
        both = mesh(
            np.concatenate([first.vertices, second.vertices]),
            np.concatenate([first.faces, second.faces + 4]),
        )
        depth = render_views(both, (0,), 128, framing=FRAME)["depth"][0]
        assert depth[64, 64] == 10
        assert depth[64, 64 + 30] == -10


def test_back_faces_are_shown_towards_the_viewer_or_culled():
    back = Mesh(quad().vertices, quad().faces[:, ::-1].copy())
    shown = render_views(back, (0,), 64, framing=FRAME)
    assert shown["mask"].any()
    np.testing.assert_allclose(shown["normals"][0, 32, 32], [0, 0, 1], atol=1e-6)
    assert not render_views(back, (0,), 64, framing=FRAME, show_backs=False)[
        "mask"
    ].any()
    assert render_views(quad(), (0,), 64, framing=FRAME, show_backs=False)["mask"].any()


@pytest.mark.parametrize("projection", ["orthographic", "perspective"])
def test_off_centre_and_empty_views(projection):
    far = Framing((1e7, 0.0, 0.0), 128.0)
    out = render_views(quad(), (0,), 64, framing=far, projection=projection)
    assert not out["mask"].any()
    assert (
        not out["depth"].any() and not out["texture"].any() and not out["shaded"].any()
    )
    behind = render_views(
        quad(z=1e5), (0,), 64, framing=FRAME, projection="perspective"
    )
    assert not behind["mask"].any()
    corner = Framing((50.0, 50.0, 0.0), 128.0)
    mask = render_views(quad(), (0,), 64, framing=corner)["mask"][0]
    assert mask[40:, :20].any() and not mask[:28].any() and not mask[:, 36:].any()


def test_framing_by_what_faces_use():
    ball = sphere()
    framing = frame_mesh(ball)
    assert abs(framing.extent - 115) < 2
    assert framing.mm_per_pixel(100) == framing.extent / 100
    outlier = Mesh(
        np.append(ball.vertices, [[9e3, 9e3, 0]], 0).astype(np.float32), ball.faces
    )
    assert abs(frame_mesh(outlier).extent - 115) < 2
    far = np.full((len(ball.vertices) // 20, 3), -1e9, np.float32)
    stray = Mesh(np.append(ball.vertices, far, 0), ball.faces, landmarks=far[:4])
    assert frame_mesh(stray) == framing


def test_wrong_arguments_are_explained(tmp_path):
    with pytest.raises(ValueError, match="1 to 9 views, got 10"):
        render_views(quad(), range(10))
    with pytest.raises(ValueError, match="orthographic"):
        render_views(quad(), projection="fisheye")
    with pytest.raises(ValueError, match="no extent"):
        render_views(mesh(np.ones((3, 3)), [[0, 1, 2]]))
    broken = tmp_path / "skin.png"
    broken.write_bytes(b"not an image")
    uv = np.zeros((4, 2), np.float32)
    with pytest.raises(MeshError, match=r"skin\.png: not a readable texture"):
        render_views(quad(uv=uv, uv_faces=quad().faces, materials=(Material(broken),)))


def test_texture_file_is_read(tmp_path):
    path = tmp_path / "skin.png"
    Image.new("RGB", (4, 4), (10, 200, 30)).save(path)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    out = render_views(
        quad(uv=uv, uv_faces=quad().faces, materials=(Material(path),)), (0,), 16
    )
    np.testing.assert_array_equal(out["texture"][0, 8, 8], (10, 200, 30))
