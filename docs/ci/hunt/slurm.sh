#!/bin/bash
# A hunt as a Slurm array: sbatch slurm.sh
# Each task reads its share from SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT.
#SBATCH --job-name=stormglass-hunt
#SBATCH --array=0-15
#SBATCH --cpus-per-task=4
#SBATCH --time=01:00:00
set -u
out="hunt/shard-$SLURM_ARRAY_TASK_ID"
stormglass hunt swarm --seeds 1..20001 --jobs "$SLURM_CPUS_PER_TASK" --out "$out"
code=$?
# 8: a promise is broken. That is a finding, not a failed job; anything else is.
[ "$code" -eq 8 ] && exit 0
exit "$code"
# When all are done: stormglass hunt merge hunt/shard-* --out hunt/all
