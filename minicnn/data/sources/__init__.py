"""Sources of images: folders of pictures, files of arrays, and the official files of known datasets."""
