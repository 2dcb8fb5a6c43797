"""Machine code: addresses exist only here, and only these files decide whether kernels compile again."""
