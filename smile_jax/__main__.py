"""The console command: `smile-jax NAME ...` runs `python -m smile_jax.NAME ...`.

Every module at the top of the package is a command, and nothing else lies there.
"""

import ast
import pathlib
import runpy
import sys

_PACKAGE = pathlib.Path(__file__).parent


def commands() -> list[str]:
    """Returns the names of the commands."""
    return sorted(path.stem for path in _PACKAGE.glob("[a-z]*.py"))


def summary(name: str) -> str:
    """Returns what a command does: the first line of its docstring."""
    source = (_PACKAGE / f"{name}.py").read_text("utf-8")
    words = ast.get_docstring(ast.parse(source)) or ""
    return words.split("\n")[0].rstrip(".")


def main() -> None:
    """Runs the command that the command line names."""
    known = commands()
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help", "help"):
        width = max(map(len, known))
        print("usage: smile-jax COMMAND ...   (smile-jax COMMAND --help says more)\n")
        print("\n".join(f"  {k:{width}}  {summary(k)}" for k in known))
        return
    if name == "--version":
        from smile_jax import __version__

        print(f"smile-jax {__version__}")
        return
    if name not in known:
        sys.exit(f"error: {name}: no such command; there are {', '.join(known)}")
    del sys.argv[1]
    # As `python -m` does, so that the flags, and the processes that a command starts,
    # find it as __main__.
    runpy.run_module(f"smile_jax.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
