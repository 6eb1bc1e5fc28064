#!/bin/bash
# Tries slurm.sh on one Debian machine, as root, with `stormglass` on the path:
#
#   apt-get install slurm-wlm munge
#   docs/ci/hunt/slurm-one-node.sh [SEEDS]
#
# Starts munged, slurmctld and slurmd of its own, runs an array of four tasks and the merge that depends
# on it, and compares what was merged with the same hunt in one process.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
seeds=${1:-1..41}
place=$(mktemp -d)
host=$(hostname -s)
export SLURM_CONF="$place/slurm.conf"
mkdir -p "$place/state" "$place/spool" "$place/jobs"
chmod 755 "$place"
cat > "$SLURM_CONF" <<END
ClusterName=stormglass
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldLogFile=$place/slurmctld.log
SlurmdLogFile=$place/slurmd.log
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=hunt Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
stop() {
  for daemon in slurmd slurmctld; do
    [ -f "$place/$daemon.pid" ] && kill "$(cat "$place/$daemon.pid")" || true
  done
}
trap stop EXIT
mkdir -p /run/munge
chown munge /run/munge
munge -n > /dev/null 2>&1 || runuser -u munge -- munged
slurmctld
slurmd
for _ in $(seq 60); do
  sinfo --noheader --format=%t | grep -q idle && break
  sleep 1
done
cd "$place/jobs"
id=$(sbatch --parsable --array=0-3 --cpus-per-task=1 --export="ALL,SEEDS=$seeds" "$here/slurm.sh")
sbatch --wait --dependency="afterany:$id" --output=merge.txt \
  --wrap "stormglass hunt merge hunt/shard-* --out hunt/all" || true
cat merge.txt
stormglass hunt swarm --seeds "$seeds" --jobs 1 --out one > /dev/null || true
cmp hunt/all/hunt.json one/hunt.json
echo "four tasks have found what one process finds: $place/jobs/hunt/all"
