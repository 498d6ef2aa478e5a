// SPDX-License-Identifier: MIT
/*
 * A PI servo: it makes a clock count the host's TAI. By default that clock is
 * simulated, and nothing on this machine changes; -p names a PTP clock, such as
 * a network card's, which is then set and steered. See paraclock-servo(7).
 */
#define _GNU_SOURCE 1

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ptp_clock.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <paraclock/paraclock.h>

#define NSEC_PER_SEC 1000000000LL

/*
 * Of an offset, half is removed within an interval, and a tenth is held for an
 * error of the rate: near to critical damping, a third less with each interval.
 */
#define KP 0.5
#define KI 0.1
/* A rate is first measured over this; 100 ns of noise are then 0.1 ppm. */
#define RATE_NS NSEC_PER_SEC
/* No rate explains such an offset: the host, or the clock, was set. */
#define JUMP_NS 1000000
/* A measurement that is not known this well was interrupted. */
#define NOISE_NS 100000
/* Of a PTP clock; the best one counts. */
#define READINGS 5
#define MAX_PPB	 500000.0

/* --- the clock ------------------------------------------------------------ */

/* Simulated: an affine function of CLOCK_MONOTONIC_RAW, through (raw, ns). */
struct clock {
	int fd; /* of a PTP clock; -1: simulated */
	int64_t raw_ns;
	int64_t ns;
	double ppb; /* how much faster than it would run by itself */
	double max_ppb;
};

static int64_t now_ns(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now))
		err(1, "clock_gettime");
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* FD_TO_CLOCKID of clock_gettime(2). */
static clockid_t dynamic(int fd)
{
	return (clockid_t)(~(unsigned int)fd << 3 | 3);
}

static void clock_open(struct clock *clock, const char *path)
{
	struct ptp_clock_caps caps;

	*clock = (struct clock){ .fd = -1, .max_ppb = MAX_PPB };
	if (!path)
		return;
	clock->fd = open(path, O_RDWR | O_CLOEXEC);
	if (clock->fd < 0 || ioctl(clock->fd, PTP_CLOCK_GETCAPS, &caps))
		err(1, "%s", path);
	if (caps.max_adj < clock->max_ppb)
		clock->max_ppb = caps.max_adj;
}

/* The simulated clock at this CLOCK_MONOTONIC_RAW. */
static void clock_run(struct clock *clock, int64_t raw_ns)
{
	int64_t gone = raw_ns - clock->raw_ns;

	clock->ns += gone + (int64_t)((double)gone * clock->ppb / 1e9);
	clock->raw_ns = raw_ns;
}

/*
 * The clock and CLOCK_MONOTONIC_RAW at one instant, close to @raw_ns; what is
 * computed from there to here is off by *ret_error_ns at most.
 */
static void clock_read(struct clock *clock, int64_t raw_ns,
		       uint64_t *ret_error_ns)
{
	int64_t before, ns, after, error;

	*ret_error_ns = 1;
	if (clock->fd < 0) {
		clock_run(clock, raw_ns);
		return;
	}
	*ret_error_ns = UINT64_MAX;
	for (int i = 0; i < READINGS; i++) {
		before = now_ns(CLOCK_MONOTONIC_RAW);
		ns = now_ns(dynamic(clock->fd));
		after = now_ns(CLOCK_MONOTONIC_RAW);
		/* Half the bracket, and 500 ppm of the way. */
		error = (after - before) / 2 + (after - raw_ns) / 2000 + 1;
		if ((uint64_t)error >= *ret_error_ns)
			continue;
		*ret_error_ns = (uint64_t)error;
		clock->ns = ns;
		clock->raw_ns = before + (after - before) / 2;
	}
}

static void adjust(const struct clock *clock, struct timex *tx)
{
	if (clock_adjtime(dynamic(clock->fd), tx) < 0)
		err(1, "clock_adjtime");
}

static void clock_step(struct clock *clock, int64_t by_ns)
{
	struct timex tx = { .modes = ADJ_SETOFFSET | ADJ_NANO };
	int64_t rest = by_ns % NSEC_PER_SEC;

	/* tv_usec, which holds ns, must not be negative. */
	if (rest < 0)
		rest += NSEC_PER_SEC;
	tx.time.tv_sec = (by_ns - rest) / NSEC_PER_SEC;
	tx.time.tv_usec = rest;
	if (clock->fd >= 0)
		adjust(clock, &tx);
	clock->ns += by_ns;
}

/* False: the clock cannot go so fast, or so slowly, and does what it can. */
static bool clock_steer(struct clock *clock, double want_ppb)
{
	struct timex tx = { .modes = ADJ_FREQUENCY };
	double ppb = want_ppb;

	if (ppb > clock->max_ppb)
		ppb = clock->max_ppb;
	if (ppb < -clock->max_ppb)
		ppb = -clock->max_ppb;
	/* ppm with 16 fractional bits. */
	tx.freq = (long)(ppb * 65.536);
	if (clock->fd >= 0)
		adjust(clock, &tx);
	clock->ppb = ppb;
	return ppb == want_ppb;
}

/* --- measuring ------------------------------------------------------------ */

struct measurement {
	int64_t offset_ns; /* host - clock; positive: the clock is behind */
	int64_t clock_ns;
	int64_t raw_ns;
	uint64_t noise_ns; /* the offset is known to within this */
	uint64_t bound_ns; /* the host's own: it is within this of TAI */
	uint64_t epoch;
};

/* 0; 1: the sample is not valid; or an error. */
static int measure(const struct paraclock *clk, struct clock *clock,
		   struct paraclock_sample *ret_sample,
		   struct measurement *ret_m)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	int64_t tai_ns, raw_ns;
	int ret = paraclock_crosststamp(clk, NULL, &xt);

	*ret_sample = xt.sample;
	if (!ret && xt.sample.flags & PARACLOCK_FLAG_OWN_KERNEL)
		errx(1, "this source repeats this kernel's own clock: name "
			"another by -b");
	if (ret || !xt.sample.valid)
		return ret ? ret : 1;
	ret = paraclock_sample_to_tai(&xt.sample, NULL, &tai_ns);
	/* A page can show any number; sums of these fit into 64 bits. */
	if (!ret && (tai_ns < 0 || tai_ns > INT64_MAX / 2))
		ret = -ERANGE;
	if (ret)
		return ret;
	raw_ns = xt.ns[PARACLOCK_CLOCK_MONOTONIC_RAW];
	clock_read(clock, raw_ns, &ret_m->noise_ns);
	/* Each is compared with RAW, because they may be some us apart. */
	ret_m->offset_ns = (tai_ns - raw_ns) - (clock->ns - clock->raw_ns);
	ret_m->noise_ns += xt.uncertainty_ns + xt.sample.pair_error_ns;
	ret_m->clock_ns = clock->ns;
	ret_m->raw_ns = clock->raw_ns;
	ret_m->bound_ns = xt.sample.clock_error_ns;
	ret_m->epoch = xt.sample.epoch;
	return ret_m->noise_ns > NOISE_NS ? -EAGAIN : 0;
}

/* --- the servo ------------------------------------------------------------ */

enum state {
	START,
	RATE,
	LOCKED
};

struct servo {
	enum state state;
	double interval_sec;
	double drift_ppb;   /* the clock's own error of rate, as far as known */
	int64_t stepped_ns; /* CLOCK_MONOTONIC_RAW of the last step */
	int64_t last_ns;    /* and of the last measurement */
	uint64_t epoch;
};

/* Returns the state that the measurement was taken in. */
static enum state servo_update(struct servo *servo, const struct measurement *m,
			       struct clock *clock)
{
	int64_t elapsed_ns = m->raw_ns - servo->stepped_ns;
	double last_sec = (double)(m->raw_ns - servo->last_ns) / 1e9;
	double error_ppb;

	/*
	 * What was learned before a disruption is about another host, and about
	 * another counter: nothing of it may enter a sum with what comes now.
	 */
	if (m->epoch != servo->epoch ||
	    (servo->state == LOCKED && llabs(m->offset_ns) > JUMP_NS))
		*servo = (struct servo){ .interval_sec = servo->interval_sec };
	servo->epoch = m->epoch;
	servo->last_ns = m->raw_ns;
	switch (servo->state) {
	case START:
		clock_steer(clock, 0);
		break;
	case RATE:
		if (elapsed_ns < RATE_NS)
			return RATE;
		servo->drift_ppb =
			(double)m->offset_ns * 1e9 / (double)elapsed_ns;
		clock_steer(clock, servo->drift_ppb);
		break;
	case LOCKED:
		/* A correction that acts for longer than it was made for goes
		 * too far; a loop that was late may be late again. */
		if (last_sec < servo->interval_sec)
			last_sec = servo->interval_sec;
		error_ppb = (double)m->offset_ns / last_sec;
		/* A clock at its limit lags for that reason alone. */
		if (clock_steer(clock, servo->drift_ppb + KP * error_ppb))
			servo->drift_ppb += KI * error_ppb;
		return LOCKED;
	}
	clock_step(clock, m->offset_ns);
	servo->stepped_ns = m->raw_ns;
	return servo->state++;
}

/* --- the program ---------------------------------------------------------- */

static void show(enum state state, const struct measurement *m,
		 const struct clock *clock)
{
	static const char *const names[] = { "start", "rate", "locked" };

	printf("state=%s epoch=%" PRIu64 " raw_ns=%" PRId64 " clock_ns=%" PRId64
	       " offset_ns=%+" PRId64 " noise_ns=%" PRIu64
	       " frequency_ppb=%+.1f bound_ns=",
	       names[state], m->epoch, m->raw_ns, m->clock_ns, m->offset_ns,
	       m->noise_ns, clock->ppb);
	if (m->bound_ns == PARACLOCK_ERROR_UNKNOWN)
		puts("unknown");
	else
		printf("%" PRIu64 "\n", m->bound_ns);
}

/* The clock runs on at its last rate. */
static void show_why(const struct paraclock *clk, int ret,
		     const struct paraclock_sample *sample)
{
	char why[256] = "";

	paraclock_explain(clk, ret < 0 ? ret : 0, sample, why, sizeof(why));
	printf("state=holdover reason=%s: %s\n",
	       ret < 0 ? paraclock_error_name(ret)
		       : paraclock_reason_name(sample->reason),
	       why);
}

static struct paraclock *open_source(const char *backend, const char *device)
{
	char detail[1536] = "";
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.device = device,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock *clk;

	/* What is named may be not valid for now. */
	if (!backend)
		opts.timescales = 1U << PARACLOCK_TIMESCALE_UTC |
				  1U << PARACLOCK_TIMESCALE_TAI;
	if (paraclock_open(&clk, &opts))
		errx(1, "%s", detail);
	return clk;
}

static double seconds(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (*end || !(value >= 0.01 && value <= 60))
		errx(2, "-i %s: 0.01 to 60 seconds", text);
	return value;
}

int main(int argc, char **argv)
{
	const char *backend = NULL, *device = NULL, *ptp = NULL;
	struct servo servo = { .interval_sec = 1 };
	struct paraclock_sample sample;
	struct measurement m;
	struct paraclock *clk;
	struct clock clock;
	enum state state;
	int opt, ret;

	while ((opt = getopt(argc, argv, "b:d:i:p:")) != -1) {
		if (opt == 'b')
			backend = optarg;
		else if (opt == 'd')
			device = optarg;
		else if (opt == 'p')
			ptp = optarg;
		else if (opt == 'i')
			servo.interval_sec = seconds(optarg);
		else
			errx(2, "usage: ptp_servo [-b BACKEND] [-d DEVICE] "
				"[-i SECONDS] [-p PTP-CLOCK]");
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	clock_open(&clock, ptp);
	clk = open_source(backend, device);
	while (!ferror(stdout)) {
		ret = measure(clk, &clock, &sample, &m);
		if (ret) {
			show_why(clk, ret, &sample);
		} else {
			state = servo_update(&servo, &m, &clock);
			show(state, &m, &clock);
		}
		usleep((useconds_t)(servo.interval_sec * 1e6));
	}
	paraclock_close(clk);
	return 1;
}
