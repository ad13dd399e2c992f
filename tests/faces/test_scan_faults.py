"""What is done to heads, is done in its strength and where it belongs."""

import numpy as np
import pytest

from smile_jax.faces.scan_faults import FAULTS, STRENGTHS, add_fault
from smile_jax.mesh import Mesh, frame_mesh, render_views
from tests.faces.heads import performed


@pytest.fixture(scope="module")
def head():
    return performed("happy", pose_deg=0.0)[0]


@pytest.mark.parametrize("kind", FAULTS)
def test_strengths_rise_and_the_same_draw_is_the_same(kind, head):
    framing = frame_mesh(head)
    plain = look(head, framing)
    away = []
    for strength in STRENGTHS:
        made = add_fault(head, kind, strength, np.random.default_rng(3))
        again = add_fault(head, kind, strength, np.random.default_rng(3))
        assert isinstance(made, Mesh) and np.isfinite(made.vertices).all()
        assert made.faces.max() < len(made.vertices) == len(made.colors)
        np.testing.assert_array_equal(made.vertices, again.vertices)
        np.testing.assert_array_equal(made.colors, again.colors)
        away.append(np.abs(look(made, framing) - plain).mean())
    assert away[0] > 0 and away[-1] > 1.5 * away[0], away


def look(mesh, framing):
    """Colours and shade from the front, in [0, 1]."""
    found = render_views(mesh, [0.0], size=64, framing=framing)
    return np.concatenate([found["texture"].ravel() / 255, found["shaded"].ravel()])


def test_decimation_leaves_as_many_points_as_it_says(head):
    for strength in STRENGTHS:
        made = add_fault(head, "decimation", strength, np.random.default_rng(0))
        wanted = 6000 - 1000 * strength
        assert 0.8 * wanted < len(made.vertices) <= wanted


def test_shadows_are_where_a_light_from_aside_does_not_reach(head):
    rng = np.random.default_rng(0)
    found = [add_fault(head, "shadows", 5, rng) for _ in range(20)]
    dark = np.stack([(x.colors < 0.5 * head.colors).all(axis=1) for x in found])
    x = head.vertices[:, 0]
    left, right = dark[:, x < -40].mean(axis=1), dark[:, x > 40].mean(axis=1)
    assert (dark.mean(axis=1) > 0.05).all() and (dark.mean(axis=1) < 0.7).all()
    assert (left > 2 * right).any() and (right > 2 * left).any()


def test_what_is_worn_is_before_the_face(head):
    rng = np.random.default_rng(0)
    for kind in ("glasses", "hand"):
        made = add_fault(head, kind, 3, rng)
        added = made.vertices[len(head.vertices) :]
        assert len(added) and added[:, 2].mean() > head.landmarks[36:48, 2].mean()


def test_mistakes_are_said(head):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="strength=6"):
        add_fault(head, "light", 6, rng)
    bare = Mesh(head.vertices, head.faces)
    with pytest.raises(ValueError, match="without colours or landmarks"):
        add_fault(bare, "light", 1, rng)
