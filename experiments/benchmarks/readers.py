"""Reading speed on one core, beside other readers where they are installed.

    python -m experiments.benchmarks.readers [--points=35000] [--repeats=15]

One scan of a procedural head is written as VRML (BU-4DFE's format) and as OBJ; every
reader reads it again and again, in turn. Ours include cleaning and looking up the
texture; VTK gives points and texture coordinates, pymeshlab triangles with them. Prints
one JSON line: milliseconds (median) and ratios.
`pip install vtk pymeshlab` for all of them; trimesh is there.
"""

import json
import os
import pathlib
import platform
import statistics
import tempfile
import time

from absl import app, flags, logging

from smile_jax.faces.rehearsal import Recording, RehearsalOptions, record
from smile_jax.mesh import read_mesh

_POINTS = flags.DEFINE_integer("points", 35_000, "Points of the scan.")
_REPEATS = flags.DEFINE_integer("repeats", 15, "Timed repetitions of each reader.")


def vtk_importer(path: str) -> int:
    """Reads with VTK."""
    from vtkmodules.vtkIOImport import vtkVRMLImporter

    importer = vtkVRMLImporter()
    importer.SetFileName(path)
    importer.Update()
    actors = importer.GetRenderer().GetActors()
    actors.InitTraversal()
    return actors.GetNextActor().GetMapper().GetInput().GetNumberOfPoints()


def pymeshlab(path: str) -> int:
    """Reads with PyMeshLab."""
    import pymeshlab

    meshes = pymeshlab.MeshSet()
    meshes.load_new_mesh(path)
    return meshes.current_mesh().vertex_number()


def trimesh(path: str) -> int:
    """Reads with trimesh."""
    import trimesh

    loaded = trimesh.load_mesh(path, process=False, skip_materials=True)
    return len(loaded.vertices)


def ours(path: str) -> int:
    """Reads with this project's readers."""
    return len(read_mesh(path).vertices)


READERS = {
    "wrl": {"ours": ours, "vtk": vtk_importer, "pymeshlab": pymeshlab},
    "obj": {"ours": ours, "trimesh": trimesh, "pymeshlab": pymeshlab},
}


def measure(path: pathlib.Path, readers: dict) -> dict:
    """Times the readers in turn."""
    times: dict[str, list[float]] = {}
    skipped = {}
    for name, reader in readers.items():
        try:
            reader(str(path))
            times[name] = []
        except Exception as error:  # not installed
            skipped[name] = f"{type(error).__name__}: {error}"[:90]
    for _repeat in range(_REPEATS.value):  # in turn, so that noise hits all alike
        for name in times:
            started = time.perf_counter()
            readers[name](str(path))
            times[name].append(1e3 * (time.perf_counter() - started))
    milliseconds = {name: statistics.median(t) for name, t in times.items()}
    return {
        "megabytes": round(path.stat().st_size / 1e6, 2),
        "points": ours(str(path)),
        "milliseconds": {k: round(v, 2) for k, v in milliseconds.items()},
        "times_slower_than_ours": {
            k: round(v / milliseconds["ours"], 2) for k, v in milliseconds.items()
        },
        "skipped": skipped,
    }


def main(_: list[str]) -> None:
    """Runs the experiment."""
    logging.set_verbosity(logging.WARNING)  # trimesh tells every step at INFO
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        options = RehearsalOptions(
            out=pathlib.Path(folder), points=_POINTS.value, texture=64
        )
        results = {}
        for kind, readers in READERS.items():
            record(Recording(0, "happy", 4, f"BU_4DFE/F001/{kind}", kind), options)
            path = options.out / "BU_4DFE" / "F001" / f"{kind}.{kind}"
            results[kind] = measure(path, readers)
    print(
        json.dumps({"benchmark": "readers", **results, "machine": platform.machine()})
    )


if __name__ == "__main__":
    app.run(main)
