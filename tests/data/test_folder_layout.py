"""How the names in a folder are read, and where two readings are as good."""

import pathlib

import pytest

from smile_jax.data.folder_layout import LayoutError, names_expression, read_layout

PEOPLE, FACES = ("anna", "bert"), ("happy", "neutral")


def paths(pattern, frames=3, **names):
    names = {"p": PEOPLE, "e": FACES, **names}
    return [
        pathlib.PurePath(pattern.format(p=p, e=e, i=i))
        for p in names["p"]
        for e in names["e"]
        for i in range(frames)
    ]


@pytest.mark.parametrize(
    "pattern, read, classes",
    [
        ("{e}/{p}.obj", "{expression}/{subject}.*", FACES),
        ("{p}/{e}.obj", "{subject}/{expression}.*", FACES),
        ("data/{p}/{e}.obj", "{subject}/{expression}.*", FACES),
        ("{p}_{e}.ply", "{subject}_{expression}.*", FACES),
        ("{e}-{p}.ply", "{expression}-{subject}.*", FACES),
        ("{p}/{e}/{i:03}.ply", "{subject}/{expression}/{frame}.*", FACES),
        ("{e}/{p}/f_{i}.ply", "{expression}/{subject}/f_{frame}.*", FACES),
        ("{p}/{e}/{e}_{i}.ply", "{subject}/{expression}/*{frame}.*", FACES),
        ("{p}_{e}_{i}.ply", "{subject}_{expression}_{frame}.*", FACES),
        ("{p}/{e}/mesh.obj", "{subject}/{expression}/mesh.*", FACES),
        ("seq/frame_{i:04}.obj", "frame_{frame}.*", ()),
        ("clip_{p}/frame_{i:04}.obj", None, None),
        ("{i}.obj", "{frame}.*", ()),
        ("{p}.obj", "{sequence}.*", ()),
    ],
)
def test_readings(pattern, read, classes):
    if read is None:
        with pytest.raises(LayoutError):
            read_layout(sorted(set(paths(pattern))))
        return
    layout = read_layout(sorted(set(paths(pattern))))
    assert (layout.pattern, layout.classes) == (read, classes)
    assert layout.said.startswith(f"paths are read as {read}: ")


def test_words_are_told_from_names():
    layout = read_layout(paths("{e}/{p}.obj", e=("Smile", "scared", "oddness", "calm")))
    assert layout.pattern == "{expression}/{subject}.*"
    assert "4 expressions: Smile, calm, oddness, scared; 2 people: anna, bert" in (
        layout.said
    )
    for word in ("happy", "HAPPINESS", "1_neutral", "mouth_open", "Smile02", "AN"):
        assert names_expression(word), word
    for name in ("anna", "happyanna", "0001", "anna_happy", ""):
        assert not names_expression(name), name


@pytest.mark.parametrize(
    "pattern, names, both",
    [
        (
            "{p}/{e}.obj",
            {"e": ("one", "two")},
            ("{subject}/{expression}.*", "{expression}/{subject}.*"),
        ),
        ("{e}/{i}.obj", {}, ("{expression}/{subject}.*", "{expression}/{frame}.*")),
        ("{p}/{i}.obj", {}, ("{subject}/{frame}.*", "{sequence}/{frame}.*")),
        (
            "{p}/x{i}/{e}.obj",
            {},
            (
                "{subject}/{sequence}/{expression}.*",
                "{sequence}/{subject}/{expression}.*",
            ),
        ),
    ],
)
def test_two_readings_as_good_are_both_shown(pattern, names, both):
    with pytest.raises(LayoutError, match="can be read in 2 ways as well") as error:
        read_layout(sorted(set(paths(pattern, **names))))
    shown = [line.split("   ")[0].strip() for line in str(error.value).splitlines()[1:]]
    assert tuple(shown) == both


def test_a_person_with_several_takes_stays_one():
    names = [f"{e}/{p}_{i}.obj" for e in FACES for p in PEOPLE for i in range(3)]
    with pytest.raises(LayoutError) as error:
        read_layout([pathlib.PurePath(name) for name in names])
    assert "{expression}/{subject}_{frame}.*" in str(error.value)
    assert "{expression}/{subject}_{sequence}.*" in str(error.value)
    assert "6 people" not in str(error.value)
    listed = [pathlib.PurePath(f"p{i}_happy.obj") for i in range(4)]
    assert read_layout(listed).pattern == "{subject}_{expression}.*"


@pytest.mark.parametrize(
    "name, read", [("seq{i}", "{sequence}"), ("P{i:02}", "{subject}")]
)
def test_folders_that_say_what_they_are(name, read):
    listed = [
        pathlib.PurePath(f"{name.format(i=k)}/{i:04}.obj")
        for k in range(3)
        for i in range(4)
    ]
    assert read_layout(listed).pattern == f"{read}/{{frame}}.*"


def test_paths_of_another_depth_are_told():
    listed = [*paths("{p}/{e}.obj"), pathlib.PurePath("template.obj")]
    assert "1 paths of another depth are not" in read_layout(listed).said
