"""Damaged files: only `MeshError` comes out, naming the file and where it is broken."""

import contextlib
import random
import re
import tracemalloc

import pytest
from PIL import Image

from smile_jax.mesh import MeshError, VertexSequence, read_landmarks, read_mesh
from smile_jax.mesh.render import read_image
from tests.attack.mutate import every_cut
from tests.attack.samples import READERS, small_mesh

# A reader may take this much memory for each byte of the file, and this much besides.
MAX_BYTES_PER_BYTE, MAX_BYTES = 64, 4 << 20
FORMATS = [
    "wrl", "obj", "gltf", "lm2", "lm3", "bnd", "bndplus", "pse", "bnt", "ply", "glb",
    "npy",
]  # fmt: skip


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A valid file of every format."""
    folder = tmp_path_factory.mktemp("samples")
    for kind in FORMATS:
        READERS[kind].write(folder)
    return folder


def read(path) -> None:
    if path.suffix == ".npy":
        [len(frame.faces) for frame in VertexSequence(path, small_mesh())]
    elif path.suffix in (".lm2", ".lm3", ".bnd", ".bndplus", ".pse"):
        read_landmarks(path)
    else:
        read_mesh(path)


def check(path, content: bytes) -> bool:
    """Reads `content`; whether it was refused, in the only way it may be."""
    path.write_bytes(content)
    try:
        read(path)
    except MeshError as error:
        assert path.name in str(error)
        where = re.search(r"bytes? \d+|frame \d+", str(error))
        assert where, str(error)
        return True
    return False


def sample(samples, tmp_path, kind: str):
    """Content of the valid file, and where to write broken ones."""
    for buffer in samples.glob("*.bin"):  # a .gltf file needs its buffers
        (tmp_path / buffer.name).write_bytes(buffer.read_bytes())
    return (samples / f"a.{kind}").read_bytes(), tmp_path / f"broken.{kind}"


def damaged(content: bytes, kind: str, rng: random.Random):
    """Cut at every boundary, bits flipped, bytes replaced, counts made absurd."""
    yield from every_cut(content, READERS[kind].tokens)
    for _ in range(150):
        broken = bytearray(content)
        for _flip in range(rng.choice([1, 1, 4, 32])):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        yield bytes(broken)
    for _ in range(100):
        start = rng.randrange(len(content))
        yield content[:start] + rng.randbytes(rng.randrange(1, 40)) + content[start:]
        yield content[:start] + content[start + rng.randrange(1, 40) :]
    digits = [m.span() for m in re.finditer(rb"\d+", content)]
    for start, stop in rng.sample(digits, min(len(digits), 60)):
        for number in (b"-1", b"999999999", b"99999999999999999999", b"1e999", b"nan"):
            yield content[:start] + number + content[stop:]
    for _ in range(30):
        yield rng.randbytes(rng.randrange(200))
        start = rng.randrange(max(len(content) - 8, 1))
        yield content[:start] + b"\xff" * 8 + content[start + 8 :]


@pytest.mark.parametrize("kind", FORMATS)
def test_only_mesh_errors_come_out(samples, tmp_path, kind):
    content, path = sample(samples, tmp_path, kind)
    assert not check(path, content)  # the file itself is good
    refused = [
        check(path, broken) for broken in damaged(content, kind, random.Random(0))
    ]
    assert sum(refused) > len(refused) / 5


@pytest.mark.parametrize("kind", FORMATS)
def test_memory_is_in_proportion_to_the_file(samples, tmp_path, kind):
    content, path = sample(samples, tmp_path, kind)
    check(path, content)  # imports and compiled code are not counted
    rng = random.Random(1)
    for broken in rng.sample(list(damaged(content, kind, rng)), 60):
        tracemalloc.start()
        check(path, broken)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MAX_BYTES + MAX_BYTES_PER_BYTE * len(broken)


def test_damaged_textures_are_mesh_errors(samples, tmp_path):
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "skin.bmp")
    content = (tmp_path / "skin.bmp").read_bytes()
    rng, refused = random.Random(0), 0
    for broken in damaged(content, "bmp", rng):
        (tmp_path / "skin.bmp").write_bytes(broken)
        try:
            read_image(tmp_path / "skin.bmp")
        except MeshError as error:
            assert "skin.bmp" in str(error)
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("kind", ["wrl", "obj"])
def test_absurd_names_in_a_file(samples, tmp_path, kind):
    content = (samples / f"a.{kind}").read_bytes()
    for old in (b"skin.png", b"a.obj.mtl"):
        (tmp_path / f"a.{kind}").write_bytes(content.replace(old, b"x" * 5000))
        with contextlib.suppress(MeshError):
            read_mesh(tmp_path / f"a.{kind}")


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{" * 100_000, "a [1] " * 50_000, '"' * 99_999, "#" * 100_000],
    ids=["lists", "nodes", "numbers", "quotes", "comments"],
)
def test_deep_and_repetitive_vrml_ends(tmp_path, text):
    assert check(tmp_path / "deep.wrl", b"#VRML V2.0 utf8\n" + text.encode())


def test_where_a_truncated_scan_is_broken(samples, tmp_path):
    content = (samples / "a.wrl").read_bytes()
    cut = content.index(b"coordIndex") + 20
    (tmp_path / "cut.wrl").write_bytes(content[:cut])
    message = rf"cut\.wrl: byte {cut}: the file ends inside of the list that byte \d+"
    with pytest.raises(MeshError, match=message):
        read_mesh(tmp_path / "cut.wrl")
    (tmp_path / "cut.obj").write_bytes(b"v 0 0 0\nv 1 0\nf 1 2 3\n")
    with pytest.raises(MeshError, match=r"cut\.obj: byte 8 \(line 2, 'v 1 0'\)"):
        read_mesh(tmp_path / "cut.obj")
