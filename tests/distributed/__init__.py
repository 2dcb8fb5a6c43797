"""Tests with real processes, which mpiexec starts. Without mpi4py and mpiexec they are skipped."""
