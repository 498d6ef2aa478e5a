// SPDX-License-Identifier: MIT
/*
 * This kernel's clock, and what chronyd says of it. The kernel's own word is
 * none: it repeats what the last daemon has told it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve_chronyd.h"
#include "serve_service.h"

/* A process for each question: no more often, and no longer. */
#define ASK_NS	 (NSEC_PER_SEC - NSEC_PER_SEC / 10)
#define LIMIT_NS (5 * NSEC_PER_SEC)

/* A change of the time suspended by more than this is a suspend. */
#define SUSPENDED_NS (NSEC_PER_SEC / 100)

/* After a disruption the counter may run at another rate, which chronyd has yet
 * to learn: KVM lets two hosts' counters differ by this (tsc_tolerance_ppm). */
#define MOVED_PPB 250000
#define MOVED_NS  (1024 * NSEC_PER_SEC)

struct serve_kernel {
	struct serve *serve;
	struct serve_readings raw; /* of CLOCK_MONOTONIC_RAW */
	struct paraclock_snapshot before;
	uint64_t events; /* that void what chronyd says */
	uint64_t asked;	 /* events when it was asked */
	int64_t asked_ns;
	bool is_busy;	   /* a chronyc runs */
	bool must_forget;  /* chronyd has to */
	int64_t forgot_ns; /* when it had */
	int64_t moved_ns;  /* the last disruption; 0: none */
	bool knows_suspended;
	int64_t suspended_ns;
};

static void doubt(struct serve_kernel *kernel, const char *why,
		  const char *text)
{
	serve_not_measured(kernel->serve, why, "%s", text);
	serve_doubt(kernel->serve);
}

/* --- the kernel's clocks -------------------------------------------------- */

static int snapshot(struct paraclock_snapshot *snap)
{
	const unsigned int needed = 1U << PARACLOCK_CLOCK_REALTIME |
				    1U << PARACLOCK_CLOCK_MONOTONIC_RAW;
	int ret;

	*snap = (struct paraclock_snapshot){ .size = sizeof(*snap) };
	ret = paraclock_snapshot(NULL, snap);
	if (!ret &&
	    (!snap->valid_for_correlation || (snap->known & needed) != needed))
		ret = -ENODEV;
	return ret;
}

static struct serve_reading reading_of(const struct paraclock_snapshot *snap)
{
	return (struct serve_reading){
		.counter = snap->counter,
		.ns = snap->ns[PARACLOCK_CLOCK_MONOTONIC_RAW],
		.error_ns = snap->uncertainty_ns,
		.pair_ns = snap->uncertainty_ns,
	};
}

/* The sooner the first, the sooner the rate is known. */
static void read_raw(struct serve_kernel *kernel)
{
	struct paraclock_snapshot snap;
	struct serve_rate rate;
	struct serve_reading now;

	if (snapshot(&snap))
		return;
	now = reading_of(&snap);
	/* Nothing is published now that a change of the rate would void. */
	(void)serve_rate_add(&kernel->raw, &now,
			     kernel->serve->options->drift_ppb, &rate);
}

/* --- chronyc -------------------------------------------------------------- */

static int run(struct serve_kernel *kernel, const char *const command[],
	       child_fn *done)
{
	const char *socket = kernel->serve->options->chronyc_socket;
	const char *argv[8] = { "chronyc", "-n" };
	int n = 2, ret;

	if (socket) {
		argv[n++] = "-h";
		argv[n++] = socket;
	}
	for (int i = 0; command[i]; i++)
		argv[n++] = command[i];
	ret = child_start_quiet(kernel->serve->loop,
				(char *const *)(uintptr_t)argv, LIMIT_NS, done,
				kernel);
	kernel->is_busy = !ret;
	return ret;
}

static const char *why_failed(int status)
{
	if (status == -ENOENT)
		return "there is no chronyc; install chrony, serve goes on "
		       "trying";
	if (status == -ETIMEDOUT)
		return "chronyc did not answer within 5 s";
	return status < 0 ? "chronyc cannot be started"
			  : "chronyd does not answer chronyc; is it running?";
}

/* --- chronyd must forget -------------------------------------------------- */

static void after_burst(void *arg, int status, const char *out)
{
	struct serve_kernel *kernel = arg;

	/* Without it chronyd measures at its next poll. */
	(void)status;
	(void)out;
	kernel->is_busy = false;
}

static void after_reset(void *arg, int status, const char *out)
{
	static const char *const burst[] = { "burst", "4/4", NULL };
	struct serve_kernel *kernel = arg;

	kernel->is_busy = false;
	if (status) {
		doubt(kernel, "not-forgotten",
		      strstr(out, "Not authorised")
			      ? "chronyd refuses to forget its measurements; "
				"run serve as root or as chronyd's user"
			      : why_failed(status));
		return;
	}
	/* Another event while it was told: once more. */
	if (kernel->asked != kernel->events)
		return;
	kernel->must_forget = false;
	kernel->forgot_ns = loop_now_ns();
	(void)run(kernel, burst, after_burst);
}

static void start_reset(struct serve_kernel *kernel)
{
	static const char *const reset[] = { "reset", "sources", NULL };
	int ret;

	read_raw(kernel);
	kernel->asked = kernel->events;
	ret = run(kernel, reset, after_reset);
	if (ret)
		doubt(kernel, "not-forgotten", why_failed(ret));
}

static void forget(struct serve *serve)
{
	struct serve_kernel *kernel = serve->kernel;

	kernel->events++;
	kernel->must_forget = true;
	kernel->raw = (struct serve_readings){ 0 };
	if (strcmp(serve->why, "clock-set") != 0)
		kernel->moved_ns = loop_now_ns();
	if (!kernel->is_busy)
		start_reset(kernel);
}

/* --- its answer ----------------------------------------------------------- */

static uint64_t drift_of(const struct serve_kernel *kernel)
{
	bool has_moved =
		kernel->moved_ns && loop_now_ns() - kernel->moved_ns < MOVED_NS;

	return kernel->serve->options->drift_ppb + (has_moved ? MOVED_PPB : 0);
}

/* What lies between the two snapshots. */
static int set_readings(struct serve_kernel *kernel,
			const struct paraclock_snapshot *after,
			struct serve_asked *asked)
{
	const struct paraclock_snapshot *before = &kernel->before;
	const struct serve_reading now = reading_of(after);
	int ret =
		serve_rate_add(&kernel->raw, &now,
			       kernel->serve->options->drift_ppb, &asked->raw);

	if (ret)
		return ret;
	asked->counter = after->counter;
	asked->real_ns = after->ns[PARACLOCK_CLOCK_REALTIME];
	asked->real_took_ns =
		asked->real_ns - before->ns[PARACLOCK_CLOCK_REALTIME];
	asked->raw_took_ns = now.ns - before->ns[PARACLOCK_CLOCK_MONOTONIC_RAW];
	/* Two clocks, read twice. 10: while chronyd slews by the tick. */
	asked->error_ns =
		2 * (before->uncertainty_ns + after->uncertainty_ns + 10);
	asked->drift_ppb = drift_of(kernel);
	asked->slew_ppb = kernel->serve->options->slew_ppb;
	return 0;
}

static void publish(struct serve_kernel *kernel,
		    const struct serve_asked *asked, struct serve_claim *claim)
{
	struct serve *serve = kernel->serve;
	int64_t age_ns = serve_tracking_age_ns(asked);
	int ret = serve_utc_to_tai(serve, asked->tracking.reference_ns, claim,
				   &serve->track.tl);

	if (ret == -EDOM)
		doubt(kernel, "leap",
		      "a leap second is here or came; waiting for chronyd to "
		      "measure anew");
	else if (ret)
		doubt(kernel, "no-tai-offset",
		      "TAI - UTC is not known: no leap second list that has "
		      "not expired, and the kernel was not told; update "
		      "tzdata, or give chronyd a leapsectz");
	else
		serve_measured(serve, claim, age_ns > 0 ? age_ns : 0);
}

/* After an event chronyd's words count again when it has measured since. */
static bool has_measured_since(const struct serve_kernel *kernel,
			       const struct serve_asked *asked)
{
	return serve_tracking_is_after(asked,
				       loop_now_ns() - kernel->forgot_ns);
}

static void judge_answer(struct serve_kernel *kernel, struct serve_asked *asked)
{
	struct paraclock_snapshot after;
	struct serve_claim claim;
	int ret = snapshot(&after);

	if (ret) {
		doubt(kernel, "counter",
		      "the kernel's clock does not run by the counter: see "
		      "current_clocksource in /sys/devices/system/clocksource");
		return;
	}
	if (!asked->tracking.is_synchronised) {
		doubt(kernel, "not-synchronised",
		      "chronyd is not synchronised; wait, or see 'chronyc "
		      "sources'");
		return;
	}
	if (asked->tracking.has_leap) {
		doubt(kernel, "leap", "chronyd announces a leap second");
		return;
	}
	ret = set_readings(kernel, &after, asked);
	if (ret == -ESTALE) {
		serve_disrupt(kernel->serve, "disrupted",
			      "this machine was disrupted (the rate of its "
			      "counter has changed)");
		return;
	}
	if (ret) {
		serve_not_measured(kernel->serve, "rate",
				   "measuring the rate of the counter");
		return;
	}
	if (!has_measured_since(kernel, asked)) {
		doubt(kernel, "not-updated",
		      "waiting for chronyd to measure anew");
		return;
	}
	ret = serve_claim_by_chronyd(asked, &claim);
	if (ret == -ESTALE)
		serve_disrupt(kernel->serve, "clock-set",
			      "CLOCK_REALTIME has moved by more than "
			      "--max-slew-ppm");
	else if (ret)
		doubt(kernel, "unusable",
		      "what chronyd says cannot be expressed");
	else
		publish(kernel, asked, &claim);
}

static void after_tracking(void *arg, int status, const char *out)
{
	struct serve_kernel *kernel = arg;
	struct serve_asked asked = { 0 };
	char why[128], text[256];

	kernel->is_busy = false;
	/* What it says may be from before the event. */
	if (kernel->asked != kernel->events) {
		if (kernel->must_forget)
			start_reset(kernel);
		return;
	}
	if (status) {
		doubt(kernel, "no-reply", why_failed(status));
	} else if (serve_tracking_parse(out, &asked.tracking, why,
					sizeof(why))) {
		snprintf(text, sizeof(text),
			 "chronyc's line is not what chronyc writes: %s", why);
		service_make_printable(text);
		doubt(kernel, "bad-reply", text);
	} else {
		judge_answer(kernel, &asked);
	}
	serve_bound(kernel->serve);
	serve_tell(kernel->serve);
}

static void start_tracking(struct serve_kernel *kernel)
{
	static const char *const tracking[] = { "-c", "tracking", NULL };
	int ret = snapshot(&kernel->before);

	if (ret) {
		doubt(kernel, "counter",
		      "the kernel's clock does not run by the counter");
		return;
	}
	kernel->asked = kernel->events;
	ret = run(kernel, tracking, after_tracking);
	if (ret)
		doubt(kernel, "no-reply", why_failed(ret));
}

/* --- looking -------------------------------------------------------------- */

/* The keeper notices that only while it has a source. */
static void look_for_suspend(struct serve_kernel *kernel)
{
	int64_t now_ns, was_ns = kernel->suspended_ns;
	bool knew = kernel->knows_suspended;

	if (steer_suspended(kernel->serve, &now_ns))
		return;
	kernel->knows_suspended = true;
	kernel->suspended_ns = now_ns;
	if (knew &&
	    (now_ns - was_ns > SUSPENDED_NS ||
	     was_ns - now_ns > SUSPENDED_NS) &&
	    !kernel->serve->observer.keeper.clk)
		serve_disrupt(kernel->serve, "disrupted",
			      "this machine was suspended");
}

void serve_kernel_look(struct serve *serve)
{
	struct serve_kernel *kernel = serve->kernel;

	look_for_suspend(kernel);
	if (kernel->is_busy || loop_now_ns() - kernel->asked_ns < ASK_NS) {
		serve_age(serve);
		return;
	}
	kernel->asked_ns = loop_now_ns();
	if (kernel->must_forget)
		start_reset(kernel);
	else
		start_tracking(kernel);
}

int serve_kernel_open(struct serve *serve)
{
	struct serve_kernel *kernel = calloc(1, sizeof(*kernel));

	if (!kernel) {
		service_log(LOG_LEVEL_ERROR, "no memory is left");
		return STATUS_FAILED;
	}
	kernel->serve = serve;
	/* What came before this process, a restore or a set clock, is not
	 * known: chronyd begins anew. */
	kernel->must_forget = true;
	serve->kernel = kernel;
	serve->forget = forget;
	return STATUS_OK;
}

void serve_kernel_close(struct serve *serve)
{
	free(serve->kernel);
	serve->kernel = NULL;
	serve->forget = NULL;
}
