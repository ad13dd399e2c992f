"""The code that computes a method: its class, and all that it reaches by name."""

import ast
import functools
import importlib.util
import pathlib
from typing import Any, NamedTuple

# Followed into; what else a method calls (towers, the loop, jax) is all methods'.
_PACKAGES = ("smile_jax.objectives.", "smile_jax.losses.", "smile_jax.stats")


class _Definition(NamedTuple):
    """Of a class, a function or a value of a file."""

    tree: Any
    names: frozenset[str]  # that occur in it


class _Import(NamedTuple):
    """What a file takes from elsewhere."""

    module: str
    name: str


def code_of(method: type) -> list[Any]:
    """Definitions that a class reaches, in its own file and in those of objectives,
    losses and statistics, as lists of module, name and a tree of lists and texts.

    Comments, docstrings, annotations and the order in files do not count, nor does the
    version of Python that reads them.
    """
    found: dict[tuple[str, str], Any] = {}
    files: dict[str, dict[str, _Definition | _Import]] = {}
    left = [(method.__module__, method.__name__)]
    while left:
        module, name = place = left.pop()
        if module not in files:
            files[module] = _named(text_of(module))
        there = files[module].get(name)
        if isinstance(there, _Import) and there.module.startswith(_PACKAGES):
            left.append((there.module, there.name))
        elif isinstance(there, _Definition) and place not in found:
            found[place] = there.tree
            left += [(module, each) for each in there.names]
    return [[*place, found[place]] for place in sorted(found)]


@functools.cache
def _file_of(module: str) -> pathlib.Path:
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    return pathlib.Path(spec.origin)


def text_of(module: str) -> str:
    """Of the file of a module."""
    return _file_of(module).read_text()


@functools.cache
def _named(text: str) -> dict[str, _Definition | _Import]:
    """What a file defines or takes from elsewhere, by name."""
    found: dict[str, _Definition | _Import] = {}
    for node in ast.parse(text).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found[node.name] = _defined(node)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for x in node.names:
                found[x.asname or x.name] = _Import(node.module, x.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [t.id for t in targets if isinstance(t, ast.Name)]
            found |= dict.fromkeys(names, _defined(node))
    return found


def _defined(node: ast.AST) -> _Definition:
    bare = _Bare().visit(node)
    names = {n.id for n in ast.walk(bare) if isinstance(n, ast.Name)}
    return _Definition(_tree(bare), frozenset(names))


class _Bare(ast.NodeTransformer):
    """Without what says something and computes nothing."""

    def visit(self, node: ast.AST) -> ast.AST:
        named = (ast.ClassDef, ast.FunctionDef)
        if isinstance(node, named) and ast.get_docstring(node) is not None:
            node.body.pop(0)
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        return self.generic_visit(node)


def _tree(node: Any) -> Any:
    """Without empty fields, which versions of Python differ in."""
    if isinstance(node, ast.AST):
        fields = [
            [k, _tree(v)] for k, v in ast.iter_fields(node) if v not in (None, [])
        ]
        return [type(node).__name__, *fields]
    return [_tree(x) for x in node] if isinstance(node, list) else repr(node)
