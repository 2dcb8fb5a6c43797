"""What `minicnn train` is going to do: the plan of a new run, or of one that goes on."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from .data_choice import OWN, DataChoice, load_again
from .output import note_stderr
from .ranks import on_rank_0

EPOCHS, EPOCHS_OF_5K = 10, 15           # defaults: for full data, and for the 5,000 embedded digits
DRY_RUN = 256                           # images of a dry run
AUGMENT = ("max_shift", "augment")      # fields of Settings for which --augment stands
SHIFT = 2                               # pixels of --augment shift: the field max_shift of Settings
FROM = "from"                           # metadata: the file of --from
RUN = {"settings", "model", "algorithm", "dataset", "dry_run", "algorithms"}    # metadata of a run


class TrainingPlan(NamedTuple):
    """The model, the data and the directory of a training run."""

    network: dict[str, Any]             # what the checkpoint remembers of it: see `networks.description`
    algorithm: str
    settings: Any                       # training.Settings
    data: Any                           # data.Dataset
    out: Path
    saved: Any                          # the Checkpoint of a resumed run, or None
    dry_run: bool
    remembered: dict[str, Any]          # what the checkpoint keeps of the choice of the data and of the weights
    initial: Any = None                 # the Checkpoint with whose weights a new run begins, or None
    loaded: Any = None                  # the user's class or function that makes the network, if it was read already

    @property
    def model(self) -> str:
        """The name of the network."""
        return self.network["model"]


def new_plan(arguments: argparse.Namespace) -> TrainingPlan:
    """The plan of a new run, with the data loaded. Nothing is made yet."""
    from ..data import once_a_node
    from ..training import check_writable
    from .networks import description, own_object, sizes_of_data
    if arguments.out is None:
        check_writable(Path("runs"))
    _given_settings(arguments, EPOCHS)                 # raises for wrong values, before a download
    initial, model = _initial(arguments)
    loaded = own_object(model)                         # raises what is wrong with the file, before the data are read
    choice = DataChoice.of(arguments)
    data = once_a_node(arguments.comm, lambda: choice.load(arguments.quiet))
    default = 1 if arguments.dry_run else EPOCHS_OF_5K if data.name == "mnist5k" else EPOCHS
    settings = _given_settings(arguments, default)
    data = _small(data) if arguments.dry_run else data
    out = arguments.out or Path("runs", "dry-run" if arguments.dry_run else f"{data.name}-seed{settings.seed}")
    network = description(model, sizes_of_data(data))
    remembered = choice.remembered() if initial is None else {**choice.remembered(), FROM: str(initial.path)}
    return TrainingPlan(network, arguments.algo or "auto", settings, data, out, None, arguments.dry_run, remembered,
                        initial, loaded)


def _initial(arguments):
    """The Checkpoint of --from, or None; and the name of the network that is trained."""
    from ..models import MODELS
    from .networks import load_weights, remembered_name
    given = arguments.model
    if arguments.initial is None:
        return None, given or "lenet"
    initial = load_weights(arguments.initial)
    if given is None:
        given = remembered_name(initial)
        note_stderr(f"model: {given}, that of {initial.path}", arguments.quiet)
    name = initial.meta.get("model")
    named = isinstance(name, str) and (name in MODELS or ":" in name and ":" not in given)
    if named and name != given:                   # two names of a network of the user may mean the same
        raise InputError(f"--from {arguments.initial}: these are weights of {name}, not of {given}: leave --model out")
    return initial, given


def _given_settings(arguments, epochs):
    """The Settings with the value of every option. `epochs` is the default of that option."""
    from ..training import Settings
    values = {field.name: getattr(arguments, field.name) for field in fields(Settings) if field.name not in AUGMENT}
    values["max_shift"] = SHIFT if "shift" in arguments.augment else 0
    values["augment"] = tuple(name for name in arguments.augment if name != "shift")
    values["epochs"] = epochs if values["epochs"] is None else values["epochs"]
    return Settings(**values)


@contextlib.contextmanager
def resumed_plan(arguments: argparse.Namespace) -> Iterator[TrainingPlan]:
    """Context manager: the plan of the run that goes on, while this process, or rank 0, has claimed its directory."""
    from ..checkpoint import load
    from ..data import once_a_node
    from ..training import LAST, claimed
    from .networks import NETWORK, remembered_sizes, sizes_of_data
    out = Path(arguments.resume)
    if os.path.isfile(out):
        raise InputError(f"--resume {out}: that is a file; name the directory of the run: --resume {out.parent}")
    if not os.path.isfile(out / LAST):
        raise InputError(f"--resume {out}: there is no {LAST} in it; name the directory of a run")
    with on_rank_0(arguments.comm, claimed(out)):       # before the file is read: another process may replace it
        saved = load(out / LAST)
        if saved.optimizer is None or not saved.meta.keys() >= RUN:
            raise InputError(f"--resume {out}: its {LAST} is not a checkpoint of minicnn train")
        meta, settings = saved.meta, _settings_of(saved)
        if arguments.epochs is not None:
            if arguments.epochs < settings.epochs:
                raise InputError(f"--epochs {arguments.epochs}: the run in {out} has {settings.epochs} epochs already: "
                                 "give more, or leave --epochs out")
            settings = replace(settings, epochs=arguments.epochs)
        data = once_a_node(arguments.comm, lambda: load_again(saved, arguments.data, arguments.data_dir,
                                                              arguments.quiet))
        network = {name: meta[name] for name in NETWORK if name in meta}
        network["model_options"] = {**sizes_of_data(data), **remembered_sizes(meta, saved.path)}
        yield TrainingPlan(network, meta["algorithm"], settings, _small(data) if meta["dry_run"] else data, out,
                           saved, meta["dry_run"], {name: meta[name] for name in (OWN, FROM) if name in meta})


def _settings_of(saved):
    """The Settings of a resumed run. InputError if `minicnn train` did not write these metadata."""
    from ..training import Settings
    texts = [saved.meta[name] for name in ("model", "algorithm", "dataset")]
    algorithms = saved.meta["algorithms"]
    if isinstance(algorithms, dict) and all(isinstance(text, str) for text in (*texts, *algorithms.values())):
        try:
            return Settings(**saved.meta["settings"])
        except (TypeError, InputError):
            pass
    raise InputError(f"{saved.path}: its metadata are damaged: they do not describe a run. Take an earlier "
                     "checkpoint, or start a new run")


def _small(data):
    names = [f"{part}_{kind}" for part in ("train", "val", "test") for kind in ("images", "labels")]
    parts = {name: getattr(data, name) for name in names}
    if all(array is None or len(array) <= DRY_RUN for array in parts.values()):
        return data
    return replace(data, source=f"{data.source}; of each part at most the first {DRY_RUN} images",
                   **{name: None if array is None else array[:DRY_RUN] for name, array in parts.items()})
