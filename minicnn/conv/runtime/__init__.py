"""Threads, memory and the processor."""
