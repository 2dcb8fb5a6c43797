"""What a resumed run needs from a checkpoint, and the checks that it is there and belongs to this run."""

from __future__ import annotations

import dataclasses
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .. import checkpoint
from ..checkpoint import Checkpoint, CheckpointError
from ..checks import is_integer
from ..data import LazyImages, Rules
from ..data.lazy import blocks
from ..errors import InputError
from ..files.json_text import as_json
from ..nn import Module
from ..optim import LRScheduler, Optimizer, ReduceLROnPlateau
from ..optim.swa_utils import AveragedModel
from .directory import BEST, LAST
from .optimization import make_average, make_optimizer, make_schedule, separate_states
from .settings import Settings
from .start import check_finite

FROM_THESE = "start a new run from these weights (minicnn train --from; in Python: start_from)"
RESUMED = ("schedule", "history", "epoch", "batch", "sums", "settings", "best", "generators")
SUMS = ("loss", "wrong", "images", "seconds")
RECORD = ("epoch", "train_loss", "train_error", "val_loss", "val_error", "lr", "seconds", "images_per_s")
SQUARES = ("exp_avg_sq", "square_avg", "sum")     # arrays in the state of an optimiser that are not negative


def check_resume(saved: Checkpoint, model: Module, name: str, data: Any, settings: Settings | None) -> Settings:
    """The settings of the run that goes on. `name` is the name of the model, as a checkpoint records it.

    Raises
    ------
    CheckpointError
        The checkpoint is not the last one of a run, is damaged, or is of a run with another model or other data or
        settings. Nothing is changed.
    """
    own = settings_of_run(saved)
    if settings is not None and settings != own:
        _check_settings(saved, own, settings)
    _check_data(saved, own, data)
    _check_model(saved, model, name)
    _check_optimizer(saved, own, model, -(-len(data.train_images) // own.batch_size))
    best_of(saved)
    return own if settings is None else settings


def settings_of_run(saved: Checkpoint) -> Settings:
    """The settings in the last checkpoint of a run. CheckpointError if it is none, or its metadata are damaged."""
    lacking = [key for key in RESUMED if key not in saved.meta] + ["the optimiser's state"] * (saved.optimizer is None)
    if lacking:
        raise CheckpointError(f"{_file(saved)} cannot be resumed: it lacks {', '.join(lacking)}. Give the {LAST} of a "
                              "run")
    own = _settings_of(saved)
    _check_numbers(saved, own)
    return own


def restore(saved: Checkpoint, model: Module, optimizer: Optimizer, schedule: LRScheduler,
            average: AveragedModel | None, epochs: int, batches: int) -> Checkpoint | None:
    """Put the state of a checkpoint that `check_resume` found fit into these objects. Return the best weights.

    If the run goes on to more `epochs` than were planned, the schedule is that of the longer run, at the same step.
    """
    best = best_of(saved)
    checkpoint.load_into(saved, model)
    own, averaged = separate_states(saved.optimizer or {})
    optimizer.load_state_dict(own)
    if epochs == _settings_of(saved).epochs or isinstance(schedule, ReduceLROnPlateau):
        schedule.load_state_dict(saved.meta["schedule"])
    else:
        schedule.go_to(batches * saved.meta["epoch"] + saved.meta["batch"])
    if average is not None:
        average.load_state_dict(averaged)
    for key, generator in _generators(model):
        if key in saved.meta["generators"]:
            generator.bit_generator.state = _with_arrays(saved.meta["generators"][key])
    return best


def best_of(saved: Checkpoint) -> Checkpoint | None:
    """The best weights of the run so far, from the file beside the checkpoint. None if no epoch has ended."""
    best = saved.meta["best"]
    if best is None:
        return None
    if saved.path is None:
        raise CheckpointError(f"this checkpoint has no path, so that its {BEST} cannot be found: use "
                              "minicnn.checkpoint.load")
    path = Path(saved.path).parent / BEST
    if not path.is_file():
        raise CheckpointError(f"{path} is not there: a run that goes on needs the best weights that it had so far. Put "
                              f"the file back, or {FROM_THESE}")
    found = checkpoint.load(path)
    history, epoch = found.meta.get("history"), best["epoch"]
    if not isinstance(history, list) or history[:epoch] != saved.meta["history"][:epoch]:
        raise CheckpointError(f"{path} is of another run than {_file(saved)}")
    if _shapes(found.model) != _shapes(saved.model):
        raise CheckpointError(f"{path} is of another model than {_file(saved)}")
    return found


def data_checksum(data: Any) -> int:
    """A checksum (CRC-32) of the images and labels for training and validation."""
    found = 0
    for part in (data.train_images, data.train_labels, data.val_images, data.val_labels):
        found = zlib.crc32(f"{part.shape}{part.dtype}".encode(), found)
        known = part.checksums(np.arange(len(part))) if isinstance(part, LazyImages) else None
        for block in blocks(part) if known is None else [known]:
            array: Any = np.ascontiguousarray(block)      # Any: type checkers do not know that an array is a buffer
            found = zlib.crc32(array, found)
    return found


def rules_of(data: Any) -> Rules | None:
    """The rules of the data, if they have some."""
    return getattr(data, "rules", None)


def facts_of(data: Any) -> dict[str, Any]:
    """What a checkpoint keeps of the data, as values that JSON can store: the names of the classes, and the rules."""
    names, rules = getattr(data, "class_names", None), rules_of(data)
    return {"class_names": None if names is None else list(names),
            "rules": None if rules is None else dataclasses.asdict(rules)}


def generator_states(model: Module) -> dict[str, Any]:
    """The state of every random generator of the model, as values that JSON can store."""
    return {key: _without_arrays(generator.bit_generator.state) for key, generator in _generators(model)}


def _generators(model):
    """(key, generator) for each attribute of a module, or element of a list or dict, that is a numpy.random.Generator.

    The key is the module's name if the attribute is `rng`, else "name.attribute".
    """
    for name, module in model.named_modules():
        for attribute, value in module._members():
            if isinstance(value, np.random.Generator):
                yield name if attribute == "rng" else f"{name}.{attribute}", value


def _without_arrays(state):
    if isinstance(state, dict):
        return {key: _without_arrays(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"array": state.tolist(), "dtype": state.dtype.name}
    return state.item() if isinstance(state, np.generic) else state


def _with_arrays(state):
    if isinstance(state, dict) and state.keys() == {"array", "dtype"}:
        return np.array(state["array"], state["dtype"])
    return {key: _with_arrays(value) for key, value in state.items()} if isinstance(state, dict) else state


def _file(saved):
    return saved.path or "this checkpoint"


def _damaged(saved, what):
    return CheckpointError(f"{_file(saved)}: its metadata are damaged: {what}. Take an earlier checkpoint, or start a "
                           "new run")


def _settings_of(saved):
    given = saved.meta["settings"]
    try:
        return Settings(**given)
    except (TypeError, InputError) as error:
        raise _damaged(saved, f"settings {given!r} ({error})") from error


def _check_settings(saved, own, settings):
    """Raise CheckpointError if a run with the settings `own` cannot go on with others. It may have more epochs."""
    if dataclasses.replace(own, epochs=settings.epochs) == settings and settings.epochs > own.epochs:
        epoch, best = saved.meta["epoch"], saved.meta["best"]
        if own.patience is not None and best is not None and epoch - best["epoch"] >= own.patience:
            raise CheckpointError(f"{_file(saved)}: the run has ended because {own.patience} epoch"
                                  f"{'s' * (own.patience != 1)} brought no smaller validation error (patience), so "
                                  f"that more epochs have no effect: {FROM_THESE}")
        return
    differ = [f"{field.name} {getattr(settings, field.name)!r} instead of {getattr(own, field.name)!r}"
              for field in dataclasses.fields(own) if getattr(settings, field.name) != getattr(own, field.name)]
    raise CheckpointError(f"{_file(saved)}: a run goes on with its own settings, but these have {', '.join(differ)}. "
                          f"Only more epochs may be given. Leave out `settings`, or {FROM_THESE}")


def _check_numbers(saved, settings):
    """Raise CheckpointError if the metadata are not those that `fit` writes."""
    meta = saved.meta
    epoch, batch, sums, history, best = (meta[name] for name in ("epoch", "batch", "sums", "history", "best"))
    if not isinstance(history, list):
        raise _damaged(saved, f"history is {str(history)[:80]}")
    for name, fits in {
            "epoch": is_integer(epoch) and 0 <= epoch <= settings.epochs,
            "batch": is_integer(batch) and batch >= 0,
            "sums": isinstance(sums, dict) and sums.keys() == set(SUMS) and all(map(_is_number, sums.values())),
            "history": all(map(_is_record, history)) and len(history) == epoch,
            "best": best is None if not history else isinstance(best, dict) and _is_number(best.get("val_error"))
            and is_integer(best.get("epoch")) and 1 <= best["epoch"] <= len(history)
            and _is_record(record := history[best["epoch"] - 1]) and record["val_error"] == best["val_error"],
            "schedule": isinstance(meta["schedule"], dict), "generators": isinstance(meta["generators"], dict)}.items():
        if not fits:
            raise _damaged(saved, f"{name} is {str(meta[name])[:80]}")


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_record(record):
    return isinstance(record, dict) and all(_is_number(record.get(name)) for name in RECORD)


def _check_data(saved, settings, data):
    meta, images = saved.meta, len(data.train_images)
    steps, batches = meta["schedule"].get("total_steps"), -(-images // settings.batch_size)
    other = meta.get("data_checksum", None)
    seen = min(meta["batch"] * settings.batch_size, images)
    if steps not in (None, settings.epochs * batches) or meta["batch"] > batches or meta["sums"]["images"] != seen or \
            other not in (None, data_checksum(data)):
        raise CheckpointError(f"{_file(saved)}: its run used other data than these ({images} images to train, "
                              f"{data.name}). It used the dataset {meta.get('dataset')!r}")
    for name, fact in facts_of(data).items():
        if as_json(meta.get(name, fact)) != as_json(fact):            # 0.2 did not write them
            raise CheckpointError(f"{_file(saved)}: its run had other {name.replace('_', ' ')} than these data: "
                                  f"{str(meta[name])[:200]} instead of {str(fact)[:200]}")


def _check_model(saved, model, name):
    own, found = model.state_dict(), saved.model
    if "data_checksum" in saved.meta and saved.meta.get("model", name) != name:       # 0.1 wrote "lenet" for any model
        raise CheckpointError(f"{_file(saved)} is of the model {saved.meta['model']}, not of {name}")
    if _shapes(own) != _shapes(found):
        problems = [f"missing: {key}" for key in own if key not in found]
        problems += [f"unexpected: {key}" for key in found if key not in own]
        problems += [f"{key} is {_shape(found[key])} but must be {_shape(own[key])}" for key in own
                     if key in found and _shape(own[key]) != _shape(found[key])]
        raise CheckpointError(f"{_file(saved)} is of another model than this {type(model).__name__}: "
                              f"{'; '.join(problems)}")
    try:
        check_finite(str(_file(saved)), found)
    except InputError as error:
        raise CheckpointError(str(error)) from error
    states, lacking = saved.meta["generators"], []
    for key, generator in _generators(model):
        if key not in states:
            lacking.append(key or "the model")
            continue
        try:
            type(generator.bit_generator)().state = _with_arrays(states[key])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _damaged(saved, f"the random generator of {key or 'the model'} ({error})") from error
    if lacking:
        raise CheckpointError(f"{_file(saved)} has no state for the random generator of {', '.join(lacking)}: it is of "
                              "another model")


def _check_optimizer(saved, settings, model, batches):
    """Load the state into a second optimiser, schedule and average, and compare it with what the settings make."""
    meta, (own, averaged) = saved.meta, separate_states(saved.optimizer)
    found, expected = make_optimizer(settings, model), make_optimizer(settings, model)
    schedule, planned = (make_schedule(settings, one, batches) for one in (found, expected))
    follows, steps = isinstance(schedule, ReduceLROnPlateau), batches * meta["epoch"] + meta["batch"]
    try:
        found.load_state_dict(own)
        schedule.load_state_dict(meta["schedule"])
        if not follows:
            planned.go_to(steps)
        if (average := make_average(settings, model)) is not None:
            average.load_state_dict(averaged)
        elif averaged:
            raise InputError("it has an average of the weights")
    except (InputError, TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise CheckpointError(f"{_file(saved)}: the state of its optimiser does not fit: {error}") from error
    ours, theirs = found.param_groups[0], expected.param_groups[0]
    changed = [name for name in found.settings if ours[name] != theirs[name] and not (follows and name == "lr")]
    numbers = planned.state_dict()
    changed += [name for name, value in schedule.state_dict().items() if value != numbers[name] and not (
        follows and name in ("lr", "best", "num_bad_epochs", "cooldown_counter", "last_epoch"))]
    if changed or not _is_number(own["lr"]):
        raise CheckpointError(f"{_file(saved)}: its optimiser has another {', '.join(changed) or 'lr'} than its "
                              "settings")
    for name, array in averaged.items():
        if not np.isfinite(array).all() or name == "n_averaged" and array != steps:
            raise CheckpointError(f"{_file(saved)}: the average of the weights is damaged at {name}")
    for i, state in enumerate(found.state):
        for name, value in state.items():
            if not (is_integer(value) if name == "step" else isinstance(value, np.ndarray) and np.isfinite(value).all()
                    and not (name in SQUARES and (value < 0).any())):
                raise CheckpointError(f"{_file(saved)}: the state of its optimiser is damaged at parameter {i}")


def _shape(array):
    return array.shape if array.dtype == np.float32 else (array.shape, array.dtype.name)


def _shapes(state):
    return {name: (array.shape, array.dtype) for name, array in state.items()}
