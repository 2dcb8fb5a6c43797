"""`jax_cases.py` imports JAX, and is therefore not for this process: `test_jax.py` runs it in another one."""

collect_ignore = ["jax_cases.py"]
