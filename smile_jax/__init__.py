"""SMILE-JAX: self-supervised 3D/4D facial-expression learning in JAX/Flax.

Importing the package is light: subpackages are imported where they are used.
"""

__version__ = "0.1.0"
