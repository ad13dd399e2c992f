"""Counts floating-point operations of a traced function."""

import math
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr


def matmul_flops(jaxpr: ClosedJaxpr | Jaxpr) -> float:
    """Operations of all matrix products and convolutions; a multiply and add are two.

    Loops count as often as they run (XLA's own count takes their bodies once), what
    remat computes again counts again, and element-wise work does not count. Inside
    pmap shapes are one device's, and so is the result.
    """
    total = 0.0
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        name, params = equation.primitive.name, equation.params
        if name in ("dot_general", "conv_general_dilated"):
            left, right = (_shape(x) for x in equation.invars)
            out = math.prod(_shape(equation.outvars[0]))
        if name == "dot_general":
            (contracted, _), _ = params["dimension_numbers"]
            total += 2.0 * out * math.prod(left[axis] for axis in contracted)
        elif name == "conv_general_dilated":
            features = right[params["dimension_numbers"].rhs_spec[0]]
            total += 2.0 * out * math.prod(right) / features
        elif name == "cond":
            total += max(matmul_flops(branch) for branch in params["branches"])
        else:
            times = params["length"] if name == "scan" else 1
            total += times * sum(matmul_flops(inner) for inner in _inner(params))
    return total


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


def _inner(params: dict[str, Any]) -> list[Any]:
    """The functions that an equation calls."""
    values: list[Any] = []
    for value in params.values():
        values += value if isinstance(value, tuple | list) else [value]
    return [value for value in values if isinstance(value, ClosedJaxpr | Jaxpr)]
