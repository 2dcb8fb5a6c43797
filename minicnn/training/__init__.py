"""Train a classifier: `fit`, `evaluate`, and runs that can be stopped and resumed with the same bits as a result."""

from ..progress.interrupts import Interrupted, Terminated
from .directory import BEST, HISTORY, LAST, check_empty, check_writable, claimed, claimed_new, weights_file
from .evaluation import Evaluation, evaluate
from .history import History
from .initial import start_from
from .prediction import Box, Prediction, WinningUnit, predict
from .resume import data_checksum
from .run import fit
from .runs import RunRecord, differing, find_runs, read_run
from .settings import Settings, TrainingError
from .start import check_part

__all__ = ["BEST", "HISTORY", "LAST", "Box", "Evaluation", "History", "Interrupted", "Prediction", "RunRecord",
           "Settings", "Terminated", "TrainingError", "WinningUnit", "check_empty", "check_part", "check_writable",
           "claimed", "claimed_new", "data_checksum", "differing", "evaluate", "find_runs", "fit", "predict",
           "read_run", "start_from", "weights_file"]
