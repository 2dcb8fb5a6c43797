"""The laws and the domains in plain words."""

from __future__ import annotations

LAWS = {                        # name of a check: (a short name, an explanation)
    "determinism": ("The same image gives the same result",
                    "The operator gets an image twice. A difference means that chance or an earlier call decides the "
                    "result, as in a dropout layer. Then no other law can be tried."),
    "independence": ("An image gives the same result alone and in a batch",
                     "A difference means that the other images of the batch count, as in a batch normalization in "
                     "training."),
    "homogeneity": ("Brighter images give brighter results",
                    "An image that is a times as bright gives a result that is a times as bright. L is the operator "
                    "without its result for a black image: L(f) = op(f) - op(0). A ReLU and a max-pool break this "
                    "law."),
    "additivity": ("The result for a sum is the sum of the results",
                   "Two images are added before or after the operator. Together with the law for brightness this "
                   "means: L is linear."),
    "equivariance": ("The result moves with the image",
                     "S(y, x) moves an image by y pixels down and by x pixels to the right. The law says: move the "
                     "image and apply the operator, or apply the operator and move the result; both give the same. "
                     "Zero padding breaks the law at the border. A stride keeps it only for multiples of the stride. A "
                     "weight for each position breaks it everywhere."),
    "convolution": ("The result is a sum of shifted impulse responses",
                    "h is the result for a single bright pixel, the impulse response. h * f places h at every pixel of "
                    "f, as bright as this pixel, and adds all that. An operator that is linear and equivariant to all "
                    "shifts is such a sum, because every image is a sum of shifted bright pixels."),
    "basis": ("Every single bright pixel was tried",
              "Every image is a sum of bright pixels. So, if the operator is linear, this is a proof and no sample."),
}
ERROR = ("Error and tolerance",
         "The error is the difference between the two sides of a law, at the pixel where it is largest beside its "
         "tolerance. The tolerance is what the rounding of the operator's own arithmetic explains. A law is broken if "
         "an error is larger than its tolerance.")
DOMAINS = {
    "torus": "torus: beyond the border the image starts again at the opposite side (circular padding)",
    "plane": "plane: beyond the border all pixels are 0 (zero padding)",
    "window": "window: the image goes on beyond the border, and the operator does not see these pixels (no padding)",
}
