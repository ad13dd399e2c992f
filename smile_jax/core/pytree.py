"""Nested dictionaries, flat and back; parts of them."""

from collections.abc import Mapping
from typing import Any

from flax import traverse_util


def flatten(tree: Mapping[str, Any], sep: str = "/") -> dict[str, Any]:
    """{"a": {"b": x}} to {"a/b": x}."""
    return traverse_util.flatten_dict(tree, sep=sep)


def unflatten(flat: Mapping[str, Any], sep: str = "/") -> dict[str, Any]:
    """The inverse of `flatten`."""
    return traverse_util.unflatten_dict(flat, sep=sep)


def merge(tree: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with some of its leaves replaced."""
    return unflatten(flatten(tree) | flatten(part))


def select(tree: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of a tree that `part` names."""
    flat = flatten(tree)
    return unflatten({name: flat[name] for name in flatten(part)})
