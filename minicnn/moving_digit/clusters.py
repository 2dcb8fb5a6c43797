"""Colours for feature maps: clusters of the activation vectors, fitted once, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError


@dataclass(frozen=True, eq=False)
class Clusters:
    """Centroids of activation vectors: that of an empty canvas first, then the others by their distance from it.

    Attributes
    ----------
    centroids : ndarray, shape (k, C)
    """

    centroids: np.ndarray

    @classmethod
    def fit(cls, maps: np.ndarray, background: np.ndarray, k: int = 6, seed: int = 0) -> Clusters:
        """The background, and k - 1 centroids of the other activations by k-means (scipy.cluster.vq).

        The centroids are fitted on one batch and kept for all frames. Centroids that are fitted anew for each frame
        would come in another order, and a map that moves along would seem to change.

        Parameters
        ----------
        maps : ndarray, shape (N, C, H, W)
        background : ndarray, shape (C,)
            The activations of an empty canvas.
        k : int
            Clusters, at least 2.
        seed : int
            Of the first centroids.

        Raises
        ------
        InputError
            Fewer than 2 clusters; activations that are not finite; too few different activations for k clusters.
        """
        from scipy.cluster.vq import kmeans2
        if k < 2:
            raise InputError(f"at least 2 clusters are needed, not {k}")
        vectors = maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1]).astype(np.float64)
        if not np.isfinite(vectors).all():
            raise InputError("the feature maps have values that are not finite: are these weights trained?")
        distance = np.sqrt(((vectors - background) ** 2).sum(1))
        vectors = vectors[distance > 0.1 * distance.max()]
        if len(np.unique(vectors, axis=0)) < k:
            raise InputError(f"the feature maps have too few different activations for {k} clusters")
        found, _ = kmeans2(vectors, k - 1, minit="++", rng=np.random.default_rng(seed))
        order = np.argsort(((found - background) ** 2).sum(1))
        return cls(np.concatenate([np.asarray(background, np.float64)[None], found[order]]))

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        """The nearest centroid of each pixel: (N, C, H, W) -> int array (N, H, W).

        Equal activations get equal colours to the last bit: the distances are summed pixel by pixel in one order. A
        matrix product may sum in an order that depends on the place.

        >>> Clusters(np.array([[0.0], [2.0]]))(np.array([[[[0.5, 1.5]]]]))
        array([[[0, 1]]])
        """
        distances = [sum((maps[:, c] - value) ** 2 for c, value in enumerate(centroid)) for centroid in self.centroids]
        return np.argmin(distances, 0)
