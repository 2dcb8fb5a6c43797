"""Passes over large arrays in machine code: what would take NumPy many passes, each with an array of its own."""
