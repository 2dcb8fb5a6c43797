"""The four files of MNIST or Fashion-MNIST on this machine: found, fetched, verified, read."""

import hashlib

from . import idx
from .errors import DataError, UnavailableError
from .paths import ORIGINS, data_place


def raw_folder(source, directory):
    """Return where torchvision puts the files below `directory`, and minicnn below its cache directory."""
    return directory / source.folder / "raw"


def find(source, directory):
    """Return {file name: path} of those files of a source that lie in a directory.

    They may lie in the directory itself or in its `MNIST/raw/` (`FashionMNIST/raw/`), each gzipped or
    not. Of two copies the gzipped one is taken: its checksum is the published one.
    """
    found = {}
    for file in source.files:
        for name in (f"{file.name}.gz", file.name):
            for folder in (directory, raw_folder(source, directory)):
                if file.name not in found and (folder / name).is_file():
                    found[file.name] = folder / name
    return found


def locate(source, data_dir=None, download=True, *, connect_timeout=None, notice=None):
    """Return {file name: path} of all four files, downloading into the cache directory what it lacks.

    A directory that the user named (`data_dir`, `MINICNN_DATA`) is never written to, and nothing
    stands in for what it lacks.

    Raises
    ------
    DataError
        The named directory lacks a file.
    UnavailableError
        The cache directory lacks a file, and it was not to be downloaded or could not be.
    """
    directory, origin = data_place(data_dir)
    paths = find(source, directory)
    missing = [file for file in source.files if file.name not in paths]
    if not missing:
        return paths
    if origin == "cache" and download:
        return paths | _download(source, missing, raw_folder(source, directory), connect_timeout, notice)
    names = ", ".join(file.name for file in missing)
    lack = f"{source.name}: {names} (or .gz) not found in {directory} nor in {raw_folder(source, directory)}"
    if origin == "cache":
        raise UnavailableError(f"{lack}, {ORIGINS[origin]}. Allow the download, or name a directory that has them.")
    raise DataError(f"{lack}; {ORIGINS[origin]}. Put them there, or name none to use the cache directory.")


def _download(source, files, folder, connect_timeout, notice):
    """Fetch files into a folder; the mirror that served one file is the first to be asked for the next."""
    from .download import fetch  # urllib is slow to import and seldom needed

    paths, mirrors = {}, list(source.mirrors)
    for file in files:
        name = f"{file.name}.gz"
        paths[file.name] = folder / name
        expected = {"size": file.size, "sha256": file.sha256}
        served = fetch(name, mirrors, folder / name, **expected, connect_timeout=connect_timeout, notice=notice)
        mirrors.sort(key=lambda mirror: mirror != served)
    return paths


def read(path, file):
    """Read a file and prove that it is the official one.

    Parameters
    ----------
    path : pathlib.Path
    file : IdxFile

    Returns
    -------
    array : ndarray
        uint8 (n, height, width) or int64 (n,).
    verified : bool
        False where only the format could be checked: an unpacked file whose checksum nobody publishes.

    Raises
    ------
    DataError
        The file is not the official one. It is left as it is.
    """
    packed = idx.read_bytes(path)
    expected = file.sha256 if packed.startswith(idx.GZIP) else file.raw_sha256
    found = hashlib.sha256(packed).hexdigest()
    if expected and found != expected:
        raise DataError(
            f"{path}: not the official file, or damaged: {len(packed)} bytes with SHA-256 {found}, expected {expected}"
            f" ({file.size} bytes if gzipped). {idx.REPLACE} In the cache directory it is enough to delete it."
        )
    array = idx.decode(idx.unpack(packed, path), path)
    if array.shape != file.shape:
        raise DataError(f"{path}: array of shape {array.shape}, expected {file.shape}. {idx.REPLACE}")
    return (idx.check_labels(array, path) if array.ndim == 1 else array), expected is not None


def read_all(source, paths):
    """Return the four arrays of a source in its order, and whether all of them are verified."""
    arrays, verified = zip(*(read(paths[file.name], file) for file in source.files), strict=True)
    return arrays, all(verified)
