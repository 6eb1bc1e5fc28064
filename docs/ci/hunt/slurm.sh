#!/bin/bash
# A hunt as a Slurm array, and its merge when all tasks are over:
#
#   id=$(sbatch --parsable slurm.sh)
#   sbatch --dependency="afterany:$id" --wrap "stormglass hunt merge hunt/shard-* --out hunt/all"
#
# Each task reads its share from SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT. The directory from
# which it is submitted has to be one that all nodes share. SEEDS=A..B hunts others.
#SBATCH --job-name=stormglass-hunt
#SBATCH --array=0-15
#SBATCH --cpus-per-task=4
#SBATCH --time=01:00:00
set -u
out="hunt/shard-$SLURM_ARRAY_TASK_ID"
stormglass hunt swarm --seeds "${SEEDS:-1..20001}" --jobs "$SLURM_CPUS_PER_TASK" --out "$out"
code=$?
# 8: a promise is broken. That is a finding, not a failed job; anything else is. The merge exits with 8.
[ "$code" -eq 8 ] && exit 0
exit "$code"
