"""What a build says before it renders, whatever its config asks for."""

import pytest

from smile_jax.data.build_plan import plan_of
from smile_jax.data.examples import Sequence4D
from smile_jax.data.schema import FacesConfig
from tests.mesh.shapes import sphere


@pytest.mark.parametrize(
    "fields",
    [
        {"channels": ("depth", "normals")},
        {"frames": 3, "motion": True, "still": True},
        {"frames": 3, "channels": ("displacement", "strain")},
        {"frames": 0, "dynamic": True, "captions": True, "tempo": True},
        {"frames": 3, "magnify": 4.0},
    ],
    ids=["scans", "motion", "moving", "captions", "magnified"],
)
def test_every_config_has_its_plan(fields):
    config = FacesConfig(name="x", size=16, yaws_deg=(0.0,), **fields)
    frames = [sphere(90.0, n=20)] * 4
    sequences = [
        Sequence4D(name, frames, {"subject": name, "expression": "sad"})
        for name in "ab"
    ]
    lines = plan_of(sequences, config)
    assert lines[0] == "found 2 people, 2 sequences, 8 meshes"
    assert "classes: sad 2" in lines[1] and "180 mm across" in lines[2]
    count = 8 if fields.get("dynamic") else 2 * fields.get("frames", 1)
    assert f"to render: {count} frames" in lines[-1]
    assert plan_of([], config) == ["found no sequence"]
