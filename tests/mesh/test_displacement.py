"""How far regions of a face move: what is put in comes out, and heads may turn."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smile_jax.faces import load_face_model
from smile_jax.mesh import Framing, Mesh
from smile_jax.mesh.displacement import GRID, REGIONS, Displacement, motion_of


@pytest.fixture(scope="module")
def model():
    return load_face_model("")


def head(model, actions, turn_deg=(0, 0, 0), noise=0.0, seed=0):
    vertices = model.acting(model.mean, actions)
    rng = np.random.default_rng(seed)
    vertices = vertices + noise * rng.normal(size=vertices.shape)
    turn = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    return Mesh(vertices=(vertices @ turn.T + [1, -2, 1]).astype(np.float32),
                faces=model.faces, landmarks=None)  # fmt: skip


@pytest.fixture(scope="module")
def framing():
    return Framing((0.0, -10.2, 69.7), 180.0)  # around the face


def shuffled(mesh: Mesh) -> Mesh:
    """The same surface, its points in another order: not in correspondence."""
    order = np.random.default_rng(1).permutation(len(mesh.vertices))
    place = np.argsort(order).astype(np.int32)
    return dataclasses.replace(
        mesh, vertices=mesh.vertices[order], faces=place[mesh.faces]
    )


def whole(moved) -> float:
    return float(motion_of(moved[None])[0])


@pytest.mark.parametrize("corresponding", [True, False])
def test_heads_that_turn_do_not_move(model, framing, corresponding):
    rest = head(model, {}, noise=0.05)
    turned = head(model, {}, (2, -3, 1), noise=0.05, seed=1)
    turned = turned if corresponding else shuffled(turned)
    moved = Displacement(rest, framing)(turned)
    assert moved.shape == (REGIONS,) and moved.dtype == np.float32
    assert whole(moved) < (0.1 if corresponding else 0.3), whole(moved)


@pytest.mark.parametrize("corresponding", [True, False])
def test_what_moves_is_found_where_it_is(model, framing, corresponding):
    rest, smile = head(model, {}), head(model, {"AU26": 0.6}, (2, -3, 1))
    smile = smile if corresponding else shuffled(smile)
    grid = Displacement(rest, framing)(smile).reshape(GRID, GRID)
    assert grid[:3].max() > 3 * grid[5:].max()  # the jaw, and not the brows
    frowning = head(model, {"AU4_L": 1.0, "AU4_R": 1.0})
    frown = Displacement(rest, framing)(
        frowning if corresponding else shuffled(frowning)
    ).reshape(GRID, GRID)
    assert frown[4:].max() > 2 * frown[:3].max()


def test_stronger_is_farther(model, framing):
    look = Displacement(head(model, {}, noise=0.1), framing)
    sizes = [
        whole(look(head(model, {"AU12_L": s, "AU12_R": s}, (0, 1, 0), 0.1, i)))
        for i, s in enumerate((0.0, 0.05, 0.1, 0.3, 1.0), 1)
    ]
    assert sizes == sorted(sizes) and sizes[1] > 1.5 * sizes[0], sizes


def test_no_face_in_the_picture(model):
    far = Framing((1e4, 0.0, 0.0), 100.0)
    assert not Displacement(head(model, {}), far)(head(model, {})).any()
