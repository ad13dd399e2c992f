"""Orbax checkpoints: asynchronous, resumable on any number of devices."""

import contextlib
import dataclasses
import glob
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from jax.experimental import multihost_utils

from smile_jax.core.errors import UserError
from smile_jax.training.checksums import check_run, checksums, compare

_CHECKSUMS = "checksums"


class CheckpointError(UserError, RuntimeError):
    """A checkpoint cannot be written or read; the message says what to do."""


class Checkpoints:
    """The checkpoints of one run, in `<workdir>/checkpoints/<step>/`.

    Each holds the state, the resolved config and what evaluation must know (folds,
    classes, ...), and checksums of all that. Arrays are saved from the host with their
    true shapes, so a run continues on any number of devices. Orbax renames a checkpoint
    into place when it is whole: one that a crash cut short is never seen.
    """

    def __init__(self, workdir: pathlib.Path, *, keep: int = 2) -> None:
        """Opens or makes the folder.

        Raises:
          CheckpointError: its path is one of which Orbax would lose what it writes.
        """
        self.folder = pathlib.Path(workdir).absolute() / "checkpoints"
        if glob.has_magic(str(self.folder)):
            raise CheckpointError(
                f"{workdir}: Orbax takes [, ? and * in a path for a pattern, and would "
                "lose what it writes there; name a --workdir without them"
            )
        self._options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, enable_async_checkpointing=True
        )
        self._manager = ocp.CheckpointManager(
            self.folder,
            options=self._options,
            item_names=("state", "run", _CHECKSUMS),
        )

    @classmethod
    def open(cls, workdir: pathlib.Path) -> "Checkpoints":
        """Opens the checkpoints of an existing run.

        Raises:
          CheckpointError: it has none.
        """
        if not (workdir / "checkpoints").is_dir():
            raise CheckpointError(
                f"{workdir}: no checkpoint there; train first, with "
                f"`smile-jax train --config=... --workdir={workdir}`"
            )
        return cls(workdir)

    @property
    def latest(self) -> int | None:
        """Newest step, or None."""
        return self._manager.latest_step()

    def save(self, state: Any, run: dict[str, Any]) -> None:
        """Starts writing; returns once the state is copied.

        Raises:
          CheckpointError: this or the previous checkpoint could not be written, e.g.
            because the disk is full.
        """
        filled = _filled(state)
        with self._explain_write():
            self._manager.save(
                int(state.step),
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(filled),
                    run=ocp.args.JsonSave(run),
                    checksums=ocp.args.JsonSave(checksums(filled, run)),
                ),
            )

    def wait(self) -> None:
        """Returns when everything is on disk.

        Raises:
          CheckpointError: as `save`.
        """
        with self._explain_write():
            self._manager.wait_until_finished()
            self._manager.check_for_errors()

    def read_run(self) -> dict[str, Any] | None:
        """Reads the run out of the newest readable checkpoint; None without one."""
        for step in sorted(self._manager.all_steps(), reverse=True):
            with contextlib.suppress(Exception):  # `restore` names what is damaged
                restored = self._restore(step)
                if _CHECKSUMS in restored:
                    check_run(restored["run"], restored[_CHECKSUMS])
                return restored["run"]
        return None

    def restore(
        self, like: Any, *, set_aside: bool = False
    ) -> tuple[Any, dict[str, Any]] | None:
        """Reads the newest whole checkpoint, on the host; None if there is none.

        A damaged one is named and the one before it is used.

        Args:
          like: a state of the same structure and shapes.
          set_aside: move damaged checkpoints to `<workdir>/damaged_checkpoints/`, so
            that the run can write them again.

        Raises:
          CheckpointError: there are checkpoints and none can be read, or they are of
            another model.
        """
        target = _filled(jax.tree.map(np.asarray, like))
        newest = self._newest(target, lambda state: _check_shapes(state, target))
        if newest is None:
            return None
        parts, run, step = newest
        if set_aside and step != self.latest:
            self._set_aside_after(step)
        return like.replace(**parts), run

    def _restore(self, step: int, **more: Any) -> Any:
        """The run, its checksums where it is not older than they are, and more."""
        items = {"run": ocp.args.JsonRestore()} | more
        if (self.folder / str(step) / _CHECKSUMS).exists():
            items[_CHECKSUMS] = ocp.args.JsonRestore()
        return self._manager.restore(step, args=ocp.args.Composite(**items))

    def _newest(
        self, target: Any, check: Callable[[Any], None]
    ) -> tuple[Any, dict[str, Any], int] | None:
        """State, run and step of the newest checkpoint that can be read."""
        damaged = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                state = ocp.args.StandardRestore(target)
                restored = self._restore(step, state=state)
                check(restored["state"])
                if _CHECKSUMS in restored:
                    compare(
                        checksums(restored["state"], restored["run"]),
                        restored[_CHECKSUMS],
                    )
            except Exception as error:  # Orbax and TensorStore raise many kinds
                reason = str(error).splitlines()[0] if str(error) else repr(error)
                damaged.append(f"{self.folder / str(step)}: {reason}")
                logging.error("checkpoint cannot be read: %s", damaged[-1])
                continue
            if damaged:
                logging.error("using the last good checkpoint, step %d", step)
            return restored["state"], restored["run"], step
        if damaged:
            listed = "\n  ".join(damaged)
            raise CheckpointError(
                "no checkpoint of this run can be read:\n  "
                f"{listed}\nIf the model's config changed, use the config of this run "
                "or another workdir; if the files are damaged, start in a new workdir."
            )
        return None

    def restore_raw(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Reads the newest whole checkpoint as nested dictionaries on the host.

        It works whatever the model. A damaged one is named, and the one before it is
        used.

        Raises:
          CheckpointError: there is none that can be read.
        """
        newest = self._newest(None, lambda state: None)
        if newest is None:
            raise CheckpointError(f"{self.folder}: no checkpoint in it; train first")
        state, run, _ = newest
        return jax.tree.map(np.asarray, state), run

    def close(self) -> None:
        """Waits for writes and frees what Orbax holds."""
        self.wait()
        self._manager.close()

    def _set_aside_after(self, good: int) -> None:
        aside = self.folder.parent / "damaged_checkpoints"
        if jax.process_index() == 0:
            aside.mkdir(exist_ok=True)
            for step in [s for s in self._manager.all_steps() if s > good]:
                shutil.move(self.folder / str(step), aside / str(step))
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("checkpoints set aside")
        self._manager.reload()

    @contextlib.contextmanager
    def _explain_write(self):
        try:
            yield
        except Exception as error:
            free = shutil.disk_usage(self.folder.parent).free / 2**30
            raise CheckpointError(
                f"could not write a checkpoint in {self.folder}: {error}. The disk "
                f"has {free:.1f} GiB free; free some, then start the same command "
                f"again: the run continues from step {self.latest or 0}"
            ) from error


def _filled(state: Any) -> dict[str, Any]:
    """Returns the parts of a state that hold something.

    A part that the method does not carry is not in a checkpoint, and so not missed in a
    checkpoint that is older than the part.
    """
    parts = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    return {name: part for name, part in parts.items() if jax.tree.leaves(part)}


def _check_shapes(state: Any, like: Any) -> None:
    """Orbax fills NumPy targets without comparing shapes."""
    wrong = [
        f"{jax.tree_util.keystr(path)} is {np.shape(a)}, expected {np.shape(b)}"
        for (path, a), b in zip(
            jax.tree_util.tree_leaves_with_path(state),
            jax.tree.leaves(like),
            strict=True,
        )
        if np.shape(a) != np.shape(b)
    ]
    if wrong:
        raise ValueError(f"another model's: {wrong[0]} (and {len(wrong) - 1} more)")
