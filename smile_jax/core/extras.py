"""Optional dependencies: which extra of the package brings which module."""

import contextlib
import importlib.util
from collections.abc import Iterator

from smile_jax.core.errors import UserError

# Module -> extra of setup.cfg. The default installation loads, predicts, renders and
# exports; everything else waits until it is asked for.
EXTRA_OF = {
    "array_record": "train",
    "grain": "train",
    "huggingface_hub": "train",
    "sentencepiece": "train",
    "tensorboardX": "train",
    "tensorflow_datasets": "train",
    "transformers": "train",
    "matplotlib": "evaluate",
    "pandas": "evaluate",
    "pyarrow": "evaluate",
    "sklearn": "evaluate",
    "statsmodels": "evaluate",
    "threadpoolctl": "evaluate",
    "apache_beam": "build",
    "cloudpickle": "build",
    "loky": "build",
    "openpyxl": "build",
    "tensorflow": "build",
    "gradio": "page",
    "OpenEXR": "scanners",
    "skimage": "scanners",
    "torch": "test",
}


class MissingExtraError(UserError, ImportError):
    """A module of an extra that is not installed; the message says how to get it."""


def require(what: str, extra: str) -> None:
    """Raises early if modules of an extra are not installed.

    Raises:
      MissingExtraError: naming the modules of the extra that are not installed.
    """
    wanted = [module for module, name in EXTRA_OF.items() if name == extra]
    missing = [m for m in wanted if importlib.util.find_spec(m) is None]
    if missing:
        more = f" and {len(missing) - 1} more packages" if missing[1:] else ""
        raise MissingExtraError(_message(what, missing[0] + more, extra))


@contextlib.contextmanager
def needed_for(what: str, extra: str = "") -> Iterator[None]:
    """Names the extra to install if an import inside the block fails.

    Args:
      what: a noun for the message, such as "training".
      extra: that brings all of it; by default the one of the missing module.

    Raises:
      MissingExtraError: a module of `EXTRA_OF` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").split(".")[0]
        if module not in EXTRA_OF:
            raise
        raise MissingExtraError(
            _message(what, module, extra or EXTRA_OF[module])
        ) from error


def _message(what: str, modules: str, extra: str) -> str:
    return (
        f'{what} needs {modules}, not installed here: pip install "smile-jax[{extra}]"'
    )
