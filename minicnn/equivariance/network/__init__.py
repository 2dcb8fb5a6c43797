"""A network judged step by step: one pass through the network gives the outputs of all steps."""
