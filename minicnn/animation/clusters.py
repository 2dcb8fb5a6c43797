"""Colours for feature maps: clusters of the activation vectors, fitted once, in an order that keeps its meaning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Clusters:
    """Centroids of activation vectors, the weakest first: colour 0 is where the network sees nothing.

    Attributes
    ----------
    centroids : ndarray, shape (k, C)
    """

    centroids: np.ndarray

    @classmethod
    def fit(cls, maps, k=6, seed=0):
        """k centroids of the pixels of feature maps (N, C, H, W), by k-means (scipy.cluster.vq).

        They are fitted on one batch and kept for all frames: fitted again for each, they would change their order, and
        a map that moves along would seem to change.

        Raises
        ------
        ValueError
            There are fewer than k different activation vectors.
        """
        from scipy.cluster.vq import kmeans2
        vectors = maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1]).astype(np.float64)
        if not 2 <= k <= len(np.unique(vectors[:10_000], axis=0)):
            raise ValueError(f"{k} clusters cannot be told apart: give 2 or more, and fewer than there are different "
                             "activations")
        found, _ = kmeans2(vectors, k, minit="++", rng=np.random.default_rng(seed))
        return cls(found[np.argsort((found ** 2).sum(1))])

    def __call__(self, maps):
        """The nearest centroid of each pixel: (N, C, H, W) -> int array (N, H, W).

        The same activations always get the same colour, to the last bit: distances are summed pixel by pixel in one
        order, by no matrix product.

        >>> Clusters(np.array([[0.0], [2.0]]))(np.array([[[[0.5, 1.5]]]]))
        array([[[0, 1]]])
        """
        distances = [sum((maps[:, c] - value) ** 2 for c, value in enumerate(centroid)) for centroid in self.centroids]
        return np.argmin(distances, 0)
