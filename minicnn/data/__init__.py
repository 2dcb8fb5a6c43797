"""MNIST, Fashion-MNIST, 5,000 embedded digits, and a loader of batches.

>>> digits = load("mnist5k")
>>> images, labels = next(iter(DataLoader(digits.train_images, digits.train_labels)))
>>> images.shape, images.dtype.name, labels.shape
((64, 1, 28, 28), 'float32', (64,))
"""

from ..files import cache_dir
from .dataset import DATASETS, Dataset, FileRecord, describe, load
from .download import UnavailableError
from .idx import DataError, read_idx, read_images, read_labels
from .images import MEAN, STD, normalize, shift_images
from .loader import DataLoader

__all__ = ["DATASETS", "MEAN", "STD", "DataError", "DataLoader", "Dataset", "FileRecord", "UnavailableError",
           "cache_dir", "describe", "load", "normalize", "read_idx", "read_images", "read_labels", "shift_images"]
