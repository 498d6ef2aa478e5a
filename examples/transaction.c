// SPDX-License-Identifier: MIT
/*
 * A database's transaction guard. A leader holds a lease until some instant. It
 * commits only if that instant has surely not come, and if the machine was not
 * moved, restored or cloned since the transaction began: a clone holds the same
 * lease, and a restored machine may have lost it long ago.
 *
 * That takes a clock with a bound: "paraclock serve" gives a machine one (then
 * -b served), and some vmclocks do. Without a bound, as with kvmclock alone,
 * -m 0 guards by epochs only, and somebody else has to judge the lease.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <paraclock/paraclock.h>

#define NSEC_PER_SEC 1e9

struct transaction {
	uint64_t epoch;
	int64_t lease_ns;      /* TAI: it commits before this, or not at all */
	uint64_t max_bound_ns; /* no lease is judged by a clock worse than this;
				* 0: no lease is judged */
};

/* 0, and the latest that the time may be. -EAGAIN: there is no time for now.
 * -ERANGE: the bound is too wide. -EOPNOTSUPP: this clock has no bound. */
static int look(const struct paraclock *clk, uint64_t max_bound_ns,
		struct paraclock_sample *ret_now, int64_t *ret_latest_ns)
{
	int64_t earliest_ns;
	int ret = paraclock_read(clk, ret_now);

	*ret_latest_ns = 0;
	if (!ret && !ret_now->valid)
		ret = -EAGAIN;
	if (ret || !max_bound_ns)
		return ret;
	ret = paraclock_interval_tai_ns(ret_now, &earliest_ns, ret_latest_ns);
	if (ret)
		return ret;
	return (uint64_t)*ret_latest_ns - (uint64_t)earliest_ns >
			       2 * max_bound_ns
		       ? -ERANGE
		       : 0;
}

/* Whoever grants the lease says when it ends; here it lasts for lease_ns. */
static int begin(const struct paraclock *clk, int64_t lease_ns,
		 struct transaction *txn)
{
	struct paraclock_sample now;
	int ret = look(clk, txn->max_bound_ns, &now, &txn->lease_ns);

	if (ret)
		return ret;
	txn->lease_ns += lease_ns;
	txn->epoch = now.epoch;
	return 0;
}

/*
 * The last thing before the record of the commit is written: 0, or why the
 * transaction aborts. -ESTALE: the machine was disrupted. -ETIMEDOUT: the lease
 * is over, or may be. Writing takes time as well, so the storage has to fence:
 * the record names the lease, and is refused when that is another's.
 */
static int may_commit(const struct paraclock *clk,
		      const struct transaction *txn)
{
	struct paraclock_sample now;
	int64_t latest_ns;
	int ret = look(clk, txn->max_bound_ns, &now, &latest_ns);

	/* A disruption is the reason, whatever else it has brought about. */
	if (paraclock_disrupted(clk, txn->epoch))
		return -ESTALE;
	if (!ret && txn->max_bound_ns && latest_ns >= txn->lease_ns)
		return -ETIMEDOUT;
	return ret;
}

int main(int argc, char **argv)
{
	char why[1536] = "";
	struct paraclock_options opts = { .size = sizeof(opts),
					  .detail = why,
					  .detail_size = sizeof(why) };
	struct transaction txn = { .max_bound_ns = 10000000 };
	double lease_sec = 1, work_sec = 0.1;
	int opt, ret = 0, times = 1;
	struct paraclock *clk;

	while ((opt = getopt(argc, argv, "b:d:l:m:n:w:")) != -1) {
		if (opt == 'b')
			opts.backend = optarg;
		else if (opt == 'd')
			opts.device = optarg;
		else if (opt == 'l')
			lease_sec = atof(optarg);
		else if (opt == 'm')
			txn.max_bound_ns =
				(uint64_t)(atof(optarg) * NSEC_PER_SEC);
		else if (opt == 'n')
			times = atoi(optarg);
		else if (opt == 'w')
			work_sec = atof(optarg);
		else
			errx(2, "usage: transaction [-b BACKEND] [-d DEVICE] "
				"[-m MAX-BOUND] [-l LEASE] [-w WORK] [-n N]");
	}
	/* A source that is named may have no bound, and then says so. */
	if (txn.max_bound_ns && !opts.backend)
		opts.timescales = 1U << PARACLOCK_TIMESCALE_UTC |
				  1U << PARACLOCK_TIMESCALE_TAI;
	if (paraclock_open(&clk, &opts))
		errx(1, "%s%s", why,
		     opts.timescales
			     ? "; or run 'paraclock serve' and pass -b served"
			     : "");
	for (; times > 0; times--) {
		ret = begin(clk, (int64_t)(lease_sec * NSEC_PER_SEC), &txn);
		if (ret == -EOPNOTSUPP)
			errx(1,
			     "%s states no bound: run 'paraclock serve' and "
			     "pass -b served, or -m 0 to guard by epochs "
			     "only",
			     paraclock_backend_name(clk));
		if (!ret) {
			usleep((useconds_t)(work_sec * 1e6));
			ret = may_commit(clk, &txn);
		}
		printf("%s epoch=%" PRIu64 " lease_ns=%" PRId64 "\n",
		       ret ? paraclock_error_name(ret) : "committed",
		       paraclock_epoch(clk), txn.lease_ns);
	}
	paraclock_close(clk);
	return ret != 0;
}
