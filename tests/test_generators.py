"""No generator outlives the loop that made it: it would see the loop's last values.

Ruff's B023 finds functions that do, not generator expressions; one of them once scored
every probe on the last fold's people.
"""

import ast

import pytest

from tests.conftest import ROOT

# Calls that keep what they are given; others are taken to consume it at once.
KEEPING = {"append", "appendleft", "add", "insert", "setdefault", "put", "submit"}
LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp)


def kept_generators(text: str) -> list[int]:
    """Lines of generator expressions that a loop keeps for later."""
    found = []

    def visit(node: ast.AST, in_loop: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.GeneratorExp) and in_loop and keeps(node):
                found.append(child.lineno)
            function = isinstance(child, (ast.FunctionDef, ast.Lambda))
            visit(child, (in_loop or isinstance(child, LOOPS)) and not function)

    def keeps(node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Attribute) and node.func.attr in KEEPING
        if isinstance(node, ast.Assign):
            return any(isinstance(x, ast.Subscript) for x in node.targets)
        return isinstance(node, (ast.List, ast.Dict, ast.ListComp, ast.DictComp))

    visit(ast.parse(text), False)
    return found


@pytest.mark.parametrize("part", ["smile_jax", "experiments", "tfds_builders", "tests"])
def test_no_generator_outlives_its_loop(part):
    for path in sorted((ROOT / part).rglob("*.py")):
        assert not kept_generators(path.read_text()), path


@pytest.mark.parametrize(
    "line, kept",
    [
        ("paths.append(p.score(x) for p in probes)", True),
        ("paths[i] = (p.score(x) for p in probes)", True),
        ("paths += [(p.score(x) for p in probes)]", True),
        ("total = sum(p.score(x) for p in probes)", False),
        ("paths.append(sum(p.score(x) for p in probes))", False),
    ],
)
def test_such_a_line_is_found(line, kept):
    assert bool(kept_generators(f"for i, x in folds:\n    {line}\n")) == kept
    assert not kept_generators(line)  # without a loop there is nothing to outlive


def test_comprehensions_are_loops():
    assert kept_generators("found = [(p(x) for p in probes) for x in folds]")
