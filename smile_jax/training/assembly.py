"""Assembles the model, its first state and its train step from a config and a plan."""

from typing import Any

from flax.core import FrozenDict

from smile_jax.config import Config
from smile_jax.config.factories import (
    make_objective,
    make_source,
    source_class,
)
from smile_jax.config.validate import validate_towers
from smile_jax.core import parallel
from smile_jax.core.pytree import select
from smile_jax.data.augment import AugmentConfig
from smile_jax.models import Encoder
from smile_jax.objectives import OBJECTIVES
from smile_jax.training.initial_state import init_state
from smile_jax.training.model_spec import ModelSpec, motion_gain, plain_view
from smile_jax.training.optimizer import OptimizerConfig, make_optimizer
from smile_jax.training.prompt_bank import text_inputs
from smile_jax.training.run_plan import Plan
from smile_jax.training.starting_model import fresh_spec
from smile_jax.training.state import TrainState
from smile_jax.training.state_layout import StateLayout, stack_factors
from smile_jax.training.step import StepConfig, make_train_step
from smile_jax.training.tuning import TuneConfig, learning_rates

_OF_TIME = ("speed", "phase")  # of config.augment, see `FrameSampling`


def spec_of_fresh_run(config: Config, plan: Plan) -> ModelSpec:
    """The model that the config asks for, for the plan's dataset."""
    cameras = len(plan.dataset.yaws_deg)
    spec = fresh_spec(config, num_views=cameras, image_size=plan.clip_shape[2])
    validate_towers(config, spec.model)
    return spec


def build(
    config: Config, plan: Plan, spec: ModelSpec | None = None
) -> tuple[Encoder, TrainState, Any]:
    """Returns the model, its first state on the host, and the uncompiled step."""
    spec = spec or spec_of_fresh_run(config, plan)
    prompts = plan.train_prompts
    objective = make_objective(
        config, num_prompts=len(prompts.classes), embed_dim=spec.model.embed_dim
    )
    model = Encoder(spec.model, FrozenDict(objective.heads()), parallel.AXIS)
    tune = tune_config(config)
    towers = {"vision": spec.model.vision, "text": spec.model.text}
    text = text_inputs(prompts, spec.tokenizer)

    def optimizer_for(trained: Any, params: Any) -> Any:
        factors = select(learning_rates(params, tune, towers), trained)
        factors = stack_factors(factors, trained, scanned_towers(config))
        return make_optimizer(optimizer_config(config), plan.steps, factors)

    state, optimizer = init_state(
        model,
        optimizer_for,
        text,
        spec.params,
        tune,
        plan.clip_shape,
        config.seed,
        objective.start(),
    )
    step = make_train_step(
        model,
        objective,
        make_source(config, plan.steps),
        optimizer,
        text,
        step_config(config, plan, spec),
    )
    return model, state, step


def make_layout(config: Config, state: TrainState) -> StateLayout:
    """Returns the layout of states like this one on the devices."""
    return StateLayout(
        state,
        in_pieces=config.train.shard_moments,
        stacked=scanned_towers(config),
    )


def scanned_towers(config: Config) -> tuple[str, ...]:
    """Returns the towers whose blocks the train step holds stacked."""
    towers: dict[str, Any] = {"vision": config.model.vision, "text": config.model.text}
    return tuple(name for name, keys in towers.items() if keys.scan)


def tune_config(config: Config) -> TuneConfig:
    """Returns the regimes of the towers.

    Without text the text tower has no gradient, so it is frozen.
    """
    tune = config.tune
    return TuneConfig(
        vision=tune.vision,
        text=tune.text if source_class(config).has_text else "frozen",
        last_blocks=tune.last_blocks,
        layer_decay=tune.layer_decay,
    )


def optimizer_config(config: Config) -> OptimizerConfig:
    """Returns the settings of the update rule."""
    o = config.optimizer
    return OptimizerConfig(
        learning_rate=o.learning_rate,
        final_rate=o.final_rate,
        warmup=o.warmup,
        weight_decay=o.weight_decay,
        beta1=o.beta1,
        beta2=o.beta2,
    )


def augment_config(config: Config) -> AugmentConfig:
    """Returns the augmentation on the device; speed and phase are the reader's."""
    keys = {k: v for k, v in vars(config.augment).items() if k not in _OF_TIME}
    return AugmentConfig(**keys)


def step_config(config: Config, plan: Plan, spec: ModelSpec) -> StepConfig:
    """Returns the settings of the train step."""
    patches = spec.model.vision.patches(*plan.clip_shape[2:4])
    return StepConfig(
        augment=augment_config(config),
        channels=plan.dataset.channels,
        inputs=config.data.inputs,
        mean=spec.mean,
        std=spec.std,
        motion_gain=motion_gain(config),
        local_mean=config.data.local_mean,
        num_views=config.data.views,
        crops=config.data.crops,
        plain_view=plain_view(
            config,
            spec,
            plan.dataset.yaws_deg,
            plan.dataset.channels,
            config.data.views,
        ),
        train_text=tune_config(config).text != "frozen",
        ema_decay=config.optimizer.ema_decay,
        from_random=not (config.model.start_from or config.model.pretrained),
        clip_norm=config.optimizer.clip_norm,
        micro_batches=config.train.micro_batches,
        shard_moments=config.train.shard_moments,
        term_gradients=config.train.term_gradients,
        patches=patches,
        kept_patches=max(1, round((1 - config.augment.patch_dropout) * patches)),
        hides_patches=OBJECTIVES[config.objective.name].hides_patches,
    )
