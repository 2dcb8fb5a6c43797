"""The convolution algorithms: one file each, and only this folder is scanned."""
