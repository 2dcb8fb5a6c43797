"""The colours of feature maps: clusters of the activation vectors. They are fitted once and have a fixed order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError


@dataclass(frozen=True, eq=False)
class Clusters:
    """Centroids of activation vectors: the empty canvas first, then the others by their distance from the first.

    Attributes
    ----------
    centroids : ndarray, shape (k, C)
    """

    centroids: np.ndarray

    @classmethod
    def fit(cls, maps: np.ndarray, background: np.ndarray, k: int = 6, seed: int = 0) -> Clusters:
        """The background, and k - 1 centroids of the other activations by k-means (scipy.cluster.vq).

        The centroids are fitted on one batch and kept for all frames. If they were fitted again for each frame, their
        order would change, and a map that only moves would seem to change.

        Parameters
        ----------
        maps : ndarray, shape (N, C, H, W)
        background : ndarray, shape (C,)
            The activations of an empty canvas.
        k : int
            The number of clusters, at least 2.
        seed : int
            The seed for the first centroids.

        Raises
        ------
        InputError
            k is less than 2, activations are not finite, or there are too few different activations for k clusters.
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

        Equal activations always get equal colours, because the distances are summed in the same order for every pixel.
        A matrix product may sum in an order that depends on the place.

        >>> Clusters(np.array([[0.0], [2.0]]))(np.array([[[[0.5, 1.5]]]]))
        array([[[0, 1]]])
        """
        distances = [sum((maps[:, c] - value) ** 2 for c, value in enumerate(centroid)) for centroid in self.centroids]
        return np.argmin(distances, 0)
