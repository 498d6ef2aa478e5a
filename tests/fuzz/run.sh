#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh TARGET SEEDS WORK: a short run, on a copy of the seeds. An input that
# crashes the target is left in WORK. An input that takes 300 s hangs: on a busy
# machine any input may take seconds.
set -eu

rm -rf "$3"
mkdir -p "$3"
cp -R "$2" "$3/corpus"
exec "$1" -runs=200000 -max_total_time=20 -seed=1 -timeout=300 \
	-print_final_stats=1 -verbosity=0 -artifact_prefix="$3/" "$3/corpus"
