"""Names that nobody defined: linters cannot look for them beside jaxtyping's shapes."""

import builtins
import symtable

import pytest

from tests.conftest import ROOT

FOLDERS = ("smile_jax", "experiments", "tfds_builders", "tests")
_KNOWN = {*dir(builtins), "__file__", "__doc__", "__name__", "__path__"}


def undefined(source: str, name: str) -> set[str]:
    """Names that a module refers to as globals, and neither it nor Python has."""
    top = symtable.symtable(source, name, "exec")
    own = {
        s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()
    }
    own |= {child.get_name() for child in top.get_children()}
    found, tables = set(), [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        found |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (symbol.is_global() or table is top)
        }
    return found - own - _KNOWN


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_name_is_defined(folder):
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (names := undefined(path.read_text(), path.name))
    }
    assert not wrong


def test_an_undefined_name_is_seen():
    source = (
        "import a\nb = a\ndef f(x: 'B V') -> 'int':\n    y = x\n    return b, y, g()\n"
    )
    assert undefined(source, "x.py") == {"g"}
