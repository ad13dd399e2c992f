"""Serves a web page on which a model can be tried.

    smile-jax page --workdir=runs/demo

Needs the extra `page` (`pip install ".[page]"`). The page is for this machine
alone (127.0.0.1) unless --host says otherwise; it asks no other machine for anything,
and files that are dropped on it are kept in a temporary folder until it ends.
"""

import os
import pathlib

from absl import flags

from smile_jax.core import command_line, extras

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of a run or an export, or a hub name.", required=True
)
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen on.")
_PORT = flags.DEFINE_integer(
    "port", 7860, "Port to listen on; 0 takes any free one.", 0, 65535
)
_HEADS = flags.DEFINE_string(
    "heads",
    "procedural",
    "Whose heads there are to pick from: procedural, makehuman (`smile-jax fetch`), or "
    "a folder or archive of ICT-FaceKit or Vitruvian.",
)


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    extras.require("the page", "page")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    command_line.before_jax()
    import tempfile

    with tempfile.TemporaryDirectory(prefix="smile_jax_page_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        from smile_jax.browser.page import Page, launch
        from smile_jax.inference.recognizer import Recognizer

        model = Recognizer.load(_WORKDIR.value)
        page = Page(model, pathlib.Path(folder), _HEADS.value)
        launch(page, _HOST.value, _PORT.value)


if __name__ == "__main__":
    command_line.run(main)
