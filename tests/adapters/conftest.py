"""These files import JAX, and are therefore not for this process: `test_jax.py` runs each in another one."""

collect_ignore = ["flax_cases.py", "jax_cases.py", "keras_cases.py"]
