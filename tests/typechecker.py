"""The type checker behind jaxtyping in tests: array annotations, and nothing else.

Tests pass wrong strings and numbers on purpose, to see the library's own messages.
"""

import types
from collections.abc import Callable

from beartype import beartype


def check(function: Callable) -> Callable:
    """beartype, blind to annotations in which no jaxtyping array occurs."""
    if not isinstance(function, types.FunctionType):
        return beartype(function)
    copy = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__, copy.__module__ = function.__qualname__, function.__module__
    copy.__annotations__ = {
        name: hint
        for name, hint in function.__annotations__.items()
        if "jaxtyping." in repr(hint)
    }
    return beartype(copy)
