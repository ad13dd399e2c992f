"""Rendering speed on one core, beside other engines where they are installed.

    python -m experiments.benchmarks.render [--ict=ARCHIVE_OR_TREE] [--size=224]

Every engine makes depth, smooth normals, colours, grey shading and a mask of three
views of a fresh mesh (so what an engine builds per mesh counts), except pyrender, which
only makes colour and depth. Prints one JSON line: milliseconds (median) and ratios.
Open3D, embreex and pyrender are optional: `pip install open3d embreex pyrender`.
"""

import json
import os
import platform
import statistics
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LP_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("PYOPENGL_PLATFORM", "egl")

import numpy as np
from absl import app, flags

from smile_jax.faces import load_ict, load_procedural
from smile_jax.mesh import Framing, Mesh, frame_mesh, render_views
from smile_jax.mesh.cameras import PERSPECTIVE_DISTANCE, view_rotation
from smile_jax.mesh.render import _LIGHT

_ICT = flags.DEFINE_string("ict", None, "ICT-FaceKit tree or archive; else procedural.")
_SIZE = flags.DEFINE_integer("size", 224, "Pixels.")
_REPEATS = flags.DEFINE_integer("repeats", 15, "Timed repetitions of each engine.")
YAWS = (-30.0, 0.0, 30.0)


def view_rays(framing: Framing, size: int, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """Origins and direction of an orthographic view's rays, in world axes."""
    rotation = view_rotation(yaw)
    x = ((np.arange(size) + 0.5) / size - 0.5) * framing.extent
    grid = np.stack(np.broadcast_arrays(x[None], -x[:, None], framing.extent * 5), -1)
    origins = grid.reshape(-1, 3) @ rotation + framing.center
    return origins.astype(np.float32), -rotation[2]


def shade_hits(mesh, normals, rotation, hit, triangle, w1, w2):
    """Returns the same buffers as ours from hit triangles and barycentric weights."""
    corners = mesh.faces[triangle[hit]]
    weights = np.stack([1 - w1 - w2, w1, w2], 1)[hit, :, None]
    n = (normals[corners] * weights).sum(1)
    n = (n / np.linalg.norm(n, axis=1, keepdims=True)) @ rotation.T
    out = np.zeros((len(hit), 3), np.float32)
    color = np.zeros((len(hit), 3), np.uint8)
    grey = np.zeros(len(hit), np.float32)
    out[hit] = n
    color[hit] = (mesh.colors[corners] * weights).sum(1) * 255
    grey[hit] = 0.15 + 0.85 * np.maximum(n @ _LIGHT, 0)
    return out, color, grey


def vertex_normals(mesh: Mesh) -> np.ndarray:
    """NumPy's fastest: one bincount a corner and axis."""
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    face = np.cross(b - a, c - a)
    total = np.stack(
        [
            sum(
                np.bincount(mesh.faces[:, k], face[:, axis], len(mesh.vertices))
                for k in range(3)
            )
            for axis in range(3)
        ],
        1,
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def ours(mesh: Mesh, size: int):
    """Renders with this project's rasteriser."""
    return render_views(mesh, YAWS, size)


def ours_culled(mesh: Mesh, size: int):
    """Renders with this project's rasteriser, without back faces."""
    return render_views(mesh, YAWS, size, show_backs=False)


def open3d_raycasting(mesh: Mesh, size: int):
    """Renders with Open3D's ray casting."""
    import open3d as o3d

    framing = frame_mesh(mesh)
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        o3d.core.Tensor(mesh.vertices), o3d.core.Tensor(mesh.faces.astype(np.uint32))
    )
    normals = vertex_normals(mesh)
    for yaw in YAWS:
        origins, direction = view_rays(framing, size, yaw)
        rays = np.concatenate([origins, np.broadcast_to(direction, origins.shape)], 1)
        found = scene.cast_rays(o3d.core.Tensor(rays.astype(np.float32)), nthreads=1)
        distance = found["t_hit"].numpy()
        uv = found["primitive_uvs"].numpy()
        triangle = found["primitive_ids"].numpy().astype(np.int64)
        hit = np.isfinite(distance)
        shade_hits(mesh, normals, view_rotation(yaw), hit, triangle, uv[:, 0], uv[:, 1])


def embreex_rays(mesh: Mesh, size: int):
    """Renders with Embree's rays."""
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    framing = frame_mesh(mesh)
    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, mesh.vertices[mesh.faces])
    normals = vertex_normals(mesh)
    for yaw in YAWS:
        origins, direction = view_rays(framing, size, yaw)
        rays = np.ascontiguousarray(np.broadcast_to(direction, origins.shape))
        found = scene.run(origins, rays.astype(np.float32), output=True)
        triangle = found["primID"]
        hit = triangle >= 0
        shade_hits(
            mesh, normals, view_rotation(yaw), hit, triangle, found["u"], found["v"]
        )


def pyrender_egl(mesh: Mesh, size: int):
    """Renders with pyrender on EGL."""
    import pyrender
    import trimesh

    framing = frame_mesh(mesh)
    model = trimesh.Trimesh(
        mesh.vertices, mesh.faces, vertex_colors=mesh.colors, process=False
    )
    scene = pyrender.Scene(ambient_light=[0.3] * 3)
    scene.add(pyrender.Mesh.from_trimesh(model))
    half = framing.extent / 2
    camera = pyrender.OrthographicCamera(half, half, zfar=20 * half)
    renderer = _renderer(size)
    node = scene.add(camera)
    light = scene.add(pyrender.DirectionalLight(intensity=3.0))
    for yaw in YAWS:
        pose = np.eye(4)
        pose[:3, :3] = view_rotation(yaw).T
        pose[:3, 3] = framing.center + PERSPECTIVE_DISTANCE * half * pose[:3, 2]
        scene.set_pose(node, pose)
        scene.set_pose(light, pose)
        renderer.render(scene)


_RENDERERS: dict = {}


def _renderer(size: int):
    import pyrender

    if size not in _RENDERERS:
        _RENDERERS[size] = pyrender.OffscreenRenderer(size, size)
    return _RENDERERS[size]


ENGINES = {
    "ours": ours,
    "ours_culled": ours_culled,
    "open3d": open3d_raycasting,
    "embreex": embreex_rays,
    "pyrender": pyrender_egl,
}


def main(_: list[str]) -> None:
    """Runs the experiment."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    model = load_ict(_ICT.value, 1) if _ICT.value else load_procedural()
    colors = model.skin[:, None] * np.float32([0.8, 0.6, 0.5]) + model.base_colors / 5
    mesh = Mesh(
        model.mean,
        model.faces,
        colors=np.clip(colors, 0, 1).astype(np.float32),
        landmarks=model.mean[model.landmarks],
    )
    times: dict[str, list[float]] = {}
    skipped = {}
    for name, engine in ENGINES.items():
        try:
            engine(mesh, _SIZE.value)
            times[name] = []
        except Exception as error:  # not installed, or no EGL on this machine
            skipped[name] = f"{type(error).__name__}: {error}"[:90]
    for _repeat in range(_REPEATS.value):  # interleaved, so that noise hits all alike
        for name in times:
            started = time.perf_counter()
            ENGINES[name](mesh, _SIZE.value)
            times[name].append(1e3 * (time.perf_counter() - started))
    milliseconds = {name: statistics.median(t) for name, t in times.items()}
    print(
        json.dumps(
            {
                "benchmark": "render",
                "model": model.name,
                "triangles": len(mesh.faces),
                "size": _SIZE.value,
                "views": len(YAWS),
                "milliseconds": {k: round(v, 2) for k, v in milliseconds.items()},
                "times_slower_than_ours": {
                    k: round(v / milliseconds["ours"], 2)
                    for k, v in milliseconds.items()
                },
                "skipped": skipped,
                "machine": platform.machine(),
            }
        )
    )


if __name__ == "__main__":
    app.run(main)
