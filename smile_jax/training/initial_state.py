"""The first state of a run, on the host."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from smile_jax.core.pytree import flatten, unflatten
from smile_jax.losses import Prior
from smile_jax.models import Encoder
from smile_jax.models.encoder import prototypes
from smile_jax.training.prompt_bank import TextInputs, embed_prompts
from smile_jax.training.starting_model import place_params
from smile_jax.training.state import TrainState, stream_key
from smile_jax.training.tuning import TuneConfig, trainable


def init_state(
    model: Encoder,
    make_optimizer: Callable[[Any, Any], optax.GradientTransformation],
    text: TextInputs,
    start: Mapping[str, np.ndarray],
    tune: TuneConfig,
    clip_shape: tuple[int, ...],
    seed: int,
    extra: Any,
) -> tuple[TrainState, optax.GradientTransformation]:
    """Returns a run's first state: random parameters, given ones in place.

    Args:
      model: to initialise.
      make_optimizer: of the trained part of the parameters, and all of them.
      text: prompts of the bank.
      start: "a/b/c" -> array of parameters that are not random.
      tune: which parameters train.
      clip_shape: (T, V, H, W, C) of one clip.
      seed: root of all randomness of the run.
      extra: what the method carries at the start.

    Raises:
      ValueError: a parameter of the start does not fit.
    """
    params = random_params(model, clip_shape, seed, start)
    c = model.config
    trained = trainable(params, tune, {"vision": c.vision, "text": c.text})
    optimizer = make_optimizer(trained, params)
    embedded = embed_prompts(model, params, text.tokens)
    state = TrainState(
        step=np.zeros((), np.int32),
        params=params,
        ema=jax.tree.map(np.copy, trained),
        optimizer=optimizer.init(trained),
        bank=prototypes(jnp.asarray(embedded), text.owners, text.shape),
        prior=Prior.create(text.shape[1]),
        key=jax.random.PRNGKey(seed),
        extra=extra,
    )
    return jax.device_get(state), optimizer


def random_params(
    model: Encoder,
    clip_shape: tuple[int, ...],
    seed: int,
    start: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Nested random parameters with those of the start in their places, on the host.

    A parameter's numbers depend on the seed and on its name alone, so a model without
    heads draws the same towers.
    """
    # Nothing but the parameters is computed, and blocks of one shape share what is
    # compiled to draw them.
    drawn = model.clone(axis_name=None).lazy_init(
        stream_key(jax.random.PRNGKey(seed), "init", 0),
        *_inputs(model, clip_shape),
        method=Encoder.initialize,
    )
    flat = flatten(jax.device_get(drawn["params"]))
    return unflatten(place_params(flat, dict(start)))


def random_shapes(model: Encoder, clip_shape: tuple[int, ...]) -> dict[str, Any]:
    """Nested shapes and types of a model's parameters; nothing is computed."""
    drawn = jax.eval_shape(
        lambda key, *inputs: model.clone(axis_name=None).init(
            key, *inputs, method=Encoder.initialize
        ),
        jax.random.PRNGKey(0),
        *_inputs(model, clip_shape),
    )
    return drawn["params"]


def _inputs(
    model: Encoder, clip_shape: tuple[int, ...]
) -> tuple[jax.ShapeDtypeStruct, ...]:
    # Two examples, for a batch of one has no variance.
    return (
        jax.ShapeDtypeStruct((2, *clip_shape), np.float32),
        jax.ShapeDtypeStruct((2, clip_shape[1]), np.int32),
        jax.ShapeDtypeStruct((1, model.config.text.context_length), np.int32),
    )
