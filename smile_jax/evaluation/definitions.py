"""The code that computes a method: its class, and all that it reaches by name."""

import ast
import importlib.util
import pathlib
from typing import Any

# Followed into; what else a method calls (towers, the loop, jax) is all methods'.
_PACKAGES = ("smile_jax.objectives.", "smile_jax.losses.", "smile_jax.stats")


def code_of(method: type) -> list[Any]:
    """Definitions that a class reaches, in its own file and in those of objectives,
    losses and statistics, as a tree of lists and texts.

    Comments, docstrings, annotations and the order in files do not count, nor does the
    version of Python that reads them.
    """
    found: dict[tuple[str, str], ast.AST] = {}
    files: dict[str, dict[str, ast.AST | tuple[str, str]]] = {}
    left = [(method.__module__, method.__name__)]
    while left:
        module, name = place = left.pop()
        if module not in files:
            files[module] = _named(ast.parse(text_of(module)))
        node = files[module].get(name)
        if isinstance(node, tuple):
            if node[0].startswith(_PACKAGES):
                left.append(node)
        elif node is not None and place not in found:
            found[place] = bare = _Bare().visit(node)
            used = {n.id for n in ast.walk(bare) if isinstance(n, ast.Name)}
            left += [(module, each) for each in used]
    return [[*place, _tree(found[place])] for place in sorted(found)]


def text_of(module: str) -> str:
    """Of the file of a module."""
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    return pathlib.Path(spec.origin).read_text()


def _named(file: ast.Module) -> dict[str, ast.AST | tuple[str, str]]:
    """What a file defines, or the module and name of what it takes from elsewhere."""
    found: dict[str, ast.AST | tuple[str, str]] = {}
    for node in file.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found[node.name] = node
        elif isinstance(node, ast.ImportFrom) and node.module:
            for x in node.names:
                found[x.asname or x.name] = (node.module, x.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {t.id: node for t in targets if isinstance(t, ast.Name)}
    return found


class _Bare(ast.NodeTransformer):
    """Without what says something and computes nothing."""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            if ast.get_docstring(node) is not None:
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
        fields = [[k, _tree(v)] for k, v in ast.iter_fields(node) if v not in (None, [])]
        return [type(node).__name__, *fields]
    return [_tree(x) for x in node] if isinstance(node, list) else repr(node)
