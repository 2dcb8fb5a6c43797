"""The convolution algorithms, one file each. minicnn finds every file of this folder by itself."""
