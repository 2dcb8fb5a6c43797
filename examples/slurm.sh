#!/bin/bash
# Train on computers of a cluster that Slurm manages: sbatch slurm.sh. The same command again goes on with the run.
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4             # ranks on each computer
#SBATCH --cpus-per-task=8               # cores, and so threads, of each rank
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120               # two minutes before the end each rank gets SIGTERM: minicnn saves and ends
set -eu
shared=$HOME/minicnn                    # a directory that all computers see, with a virtual environment `venv`:
source "$shared/venv/bin/activate"      # pip install 'minicnn[mpi]'
export MINICNN_DATA=$shared/mnist       # the four files of MNIST; or leave this line out, and take --dataset mnist5k
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
run=$shared/runs/first
if [ -e "$run/last.safetensors" ]; then set -- --resume "$run"; else set -- --out "$run" --batch-size 512; fi
# MPICH gets its ranks from Slurm by PMI: `srun --mpi=list` must name pmi2. --batch-size is that of all ranks together.
srun --mpi=pmi2 minicnn train "$@"
