"""Images to train on: MNIST, Fashion-MNIST, 5,000 embedded digits, your own pictures; and a loader of batches.

>>> digits = load("mnist5k")
>>> images, labels = next(iter(DataLoader(digits.train_images, digits.train_labels)))
>>> images.shape, images.dtype.name, labels.shape
((64, 1, 28, 28), 'float32', (64,))
"""

from ..files import cache_dir
from .augment import AUGMENTATIONS
from .dataset import Dataset, FileRecord
from .download import UnavailableError
from .idx import DataError, read_idx, read_images, read_labels
from .images import crop_images, flip_images, normalize, rotate_images, shift_images
from .lazy import LazyImages
from .loader import DataLoader, shard_of
from .names import DATASETS, describe, load
from .once import once_a_node
from .rules import MEAN, STD, Rules
from .sources.arrays import holds_arrays, load_arrays
from .sources.folder import MixedColoursError, load_folder, load_pictures
from .sources.pictures import read_picture

__all__ = ["AUGMENTATIONS", "DATASETS", "MEAN", "STD", "DataError", "DataLoader", "Dataset", "FileRecord",
           "LazyImages", "MixedColoursError", "Rules", "UnavailableError", "cache_dir", "crop_images", "describe",
           "flip_images", "holds_arrays", "load", "load_arrays", "load_folder", "load_pictures", "normalize",
           "once_a_node", "read_idx", "read_images", "read_labels", "read_picture", "rotate_images", "shard_of",
           "shift_images"]
