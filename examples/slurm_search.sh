#!/usr/bin/env bash
# A study on a SLURM cluster: an array of workers that join one study in PostgreSQL.
#
#   STORAGE=postgresql://me@dbhost/studies STUDY=photos DATA=/data/photos sbatch examples/slurm_search.sh
#
# Begin the study once, on a login node, with the trials that it shall have in all (the command may be stopped with Ctrl-C as soon as
# it works: the trial that it had begun is given back):
#
#   netwright search "$DATA" --max-macs 50M --trials 2000 --storage "$STORAGE" --study "$STUDY"
#
# Every task of the array works until all trials are done. One that is killed, preempted or runs out of time loses nothing but its
# own trial, which others take over; more tasks may be submitted at any time. `netwright search --join` needs no folder.
#SBATCH --job-name=netwright
#SBATCH --array=0-63
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:1
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
#SBATCH --output=netwright-%A_%a.log
set -euo pipefail
: "${STORAGE:?the database, postgresql://user@host/name}" "${STUDY:?the name of the study}" "${DATA:?where the pictures are}"
export NETWRIGHT_CACHE="${TMPDIR:-/tmp}/netwright-$USER" # decoded pictures, on the node's own disk
# SLURM tells this shell a minute before the end: the worker gives back its trial
worker=
trap '[ -z "$worker" ] || kill -TERM "$worker"' TERM
netwright search --join "$STORAGE" --study "$STUDY" --threads "${SLURM_CPUS_PER_TASK:-1}" "$DATA" &
worker=$!
wait $worker || wait $worker # the first wait ends when the signal comes
