// SPDX-License-Identifier: MIT
/*
 * Commit-wait. A transaction's timestamp is the latest that the time may be
 * now, and nobody is shown the transaction before that time has surely passed.
 * Then whatever begins later gets a later timestamp, on every machine whose
 * clock keeps its bound. Times are TAI, which repeats no second. The bound is a
 * vmclock's, or that of "paraclock serve" (-b served).
 */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <paraclock/paraclock.h>

#define NSEC_PER_SEC 1000000000ULL

/* No commit is worth a longer wait than so many naps, of a second at most. */
#define NAPS	 10
#define NAP_NS	 NSEC_PER_SEC
#define RETRY_NS 1000000U

/* The thirty lines. -ESTALE: the machine was moved or restored in the wait, and
 * a clone of it may be committing the same: the transaction begins anew. */
static int commit_wait(const struct paraclock *clk, int64_t *ret_commit_ns)
{
	int64_t earliest_ns, latest_ns, commit_ns = 0;
	uint64_t epoch = 0, nap_ns, waited_ns = 0;
	struct paraclock_sample now;
	int ret;

	for (; waited_ns < NAPS * NAP_NS; waited_ns += nap_ns) {
		ret = paraclock_read(clk, &now);
		if (!ret)
			ret = paraclock_interval_tai_ns(&now, &earliest_ns,
							&latest_ns);
		if (ret && !epoch)
			return ret; /* without a bound there is no timestamp */
		/* If there is none for a moment, the wait goes on. */
		nap_ns = RETRY_NS;
		if (!ret) {
			if (!epoch)
				commit_ns = latest_ns;
			if (epoch && now.epoch != epoch)
				return -ESTALE;
			epoch = now.epoch;
			if (earliest_ns > commit_ns) {
				*ret_commit_ns = commit_ns;
				return 0;
			}
			nap_ns = (uint64_t)commit_ns - (uint64_t)earliest_ns;
		}
		if (nap_ns > NAP_NS)
			nap_ns = NAP_NS;
		usleep((useconds_t)(nap_ns / 1000 + 1));
	}
	return -ETIMEDOUT;
}

static int64_t raw_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC_RAW, &now))
		err(1, "clock_gettime");
	return now.tv_sec * (int64_t)NSEC_PER_SEC + now.tv_nsec;
}

int main(int argc, char **argv)
{
	char detail[1536] = "";
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	int64_t began_ns, commit_ns;
	struct paraclock *clk;
	int opt, ret = 0, times = 1;

	while ((opt = getopt(argc, argv, "b:d:n:")) != -1) {
		if (opt == 'b')
			opts.backend = optarg;
		else if (opt == 'd')
			opts.device = optarg;
		else if (opt == 'n')
			times = (int)strtol(optarg, NULL, 0);
		else
			errx(2, "usage: commit_wait [-b BACKEND] [-d DEVICE] "
				"[-n TIMES]");
	}
	if (!opts.backend)
		opts.timescales = 1U << PARACLOCK_TIMESCALE_UTC |
				  1U << PARACLOCK_TIMESCALE_TAI;
	if (paraclock_open(&clk, &opts))
		errx(1, "%s%s", detail,
		     opts.timescales
			     ? "; or run 'paraclock serve' and pass -b served"
			     : "");
	for (; times > 0; times--) {
		began_ns = raw_ns();
		ret = commit_wait(clk, &commit_ns);
		if (ret == -EOPNOTSUPP)
			warnx("%s states no bound: run 'paraclock serve' and "
			      "pass -b served",
			      paraclock_backend_name(clk));
		if (ret)
			printf("failed=%s\n", paraclock_error_name(ret));
		else
			printf("commit_ns=%" PRId64 " began_ns=%" PRId64
			       " shown_ns=%" PRId64 "\n",
			       commit_ns, began_ns, raw_ns());
	}
	paraclock_close(clk);
	return ret != 0;
}
