#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: restore-hook.sh [COMMAND [ARGUMENT ...]]
#
# What a sandbox runs first after a restore: it puts CLOCK_REALTIME right by the
# host's clock, and then runs COMMAND. If the clock is not right, COMMAND does
# not run, and the exit status is that of paraclock-keep(8): 1, 3. Run it as
# root, or in the group clock where the service runs.
#
# PARACLOCK_WAIT      how long to wait for the clock, s (default 10)
# PARACLOCK_KEEP_DIR  the directory of the service (default /run/paraclock/keep)
# PARACLOCK_ANYWAY    not empty: run COMMAND even if the clock is not right
set -eu

dir=${PARACLOCK_KEEP_DIR:-/run/paraclock/keep}
wait=${PARACLOCK_WAIT:-10}

# The service has seen the restore, or looks for it now, and answers when the
# clock is right. Its word counts: it has the options of whoever set it up.
ask_service() {
	[ -S "$dir/keep.sock" ] || return 1
	paraclock keep --sync --wait "$wait" --dir "$dir"
}

# No service runs, so correct the clock here and now. This script is called
# after a restore, which paraclock cannot know:
# - After the restore the kernel still says that the clock is synchronised, if
#   it was so in the snapshot; paraclock would then correct an hour at most. A
#   snapshot may be years old: --max-step 1000000000 is 31 years.
# - The host clocks of most hypervisors state no bound, and a difference of up
#   to a second would be left alone. After a restore this machine's clock has no
#   better claim: --assume-error 0.
# The clock still never goes back, and never follows a clock that is not valid.
correct() {
	paraclock keep --once --wait "$wait" --dir "$dir" \
		--max-step 1000000000 --assume-error 0
}

# 1: no service runs, or it does not answer; 3: the clock is not right.
status=0
ask_service || status=$?
if [ "$status" -eq 1 ]; then
	status=0
	correct || status=$?
fi
if [ "$status" -ne 0 ]; then
	echo "$0: CLOCK_REALTIME is not right" >&2
	[ -n "${PARACLOCK_ANYWAY-}" ] || exit "$status"
fi

[ $# -eq 0 ] || exec "$@"
