"""Experiments with trained networks: how far they are invariant to shifts."""
