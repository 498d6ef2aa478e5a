// SPDX-License-Identifier: MIT
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "duration.h"
#include "keep_service.h"
#include "keep_tell.h"

/* A pair that is wider is not valid. PTP clocks are read by a system call, in a
 * slow guest by one of milliseconds; the width is part of the bound. */
#define MAX_PAIR_ERROR_NS 10000000

/* The source is asked so often while the clock waits for it, or a marker in
 * memory is looked at. */
#define SOON_NS LOOK_NS

/* After so long, another source may answer instead. */
#define WAIT_NS (10 * NSEC_PER_SEC)

/* --- the source ----------------------------------------------------------- */

/* Without a name, only a source that says what time it is will do. */
static int open_source(struct keep *keep, struct paraclock **ret_clk)
{
	const struct source *source = &keep->options->source;
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = source->backend,
		.device = source->device,
		.flags = source->flags,
		.timescales =
			source->backend
				? 0
				: 1U << PARACLOCK_TIMESCALE_UTC |
					  1U << PARACLOCK_TIMESCALE_TAI |
					  1U << PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED,
		.max_pair_error_ns = MAX_PAIR_ERROR_NS,
		.detail = keep->detail,
		.detail_size = sizeof(keep->detail),
	};
	int ret;

	keep->opened_ns = loop_now_ns();
	keep->detail[0] = '\0';
	ret = paraclock_open(ret_clk, &opts);
	if (ret && !keep->detail[0])
		paraclock_explain(NULL, ret, NULL, keep->detail,
				  sizeof(keep->detail));
	return ret;
}

static void on_event(void *arg);

static void watch_events(struct keep *keep)
{
	int fd = keep->runs && keep->keeper.clk
			 ? paraclock_event_fd(keep->keeper.clk)
			 : -1;

	if (fd >= 0)
		(void)loop_watch(keep->loop, fd, POLLIN, on_event, keep);
}

static void close_source(struct keep *keep, struct paraclock *clk)
{
	int fd = keep->runs && clk ? paraclock_event_fd(clk) : -1;

	if (fd >= 0)
		(void)loop_watch(keep->loop, fd, 0, NULL, NULL);
	paraclock_close(clk);
}

static void tell_detail(struct keep *keep);

/* If the old source is gone, or has said nothing for long, look for one that
 * answers. */
bool keep_find(struct keep *keep)
{
	struct paraclock *found, *old;

	if (keep->keeper.clk && !keep->keeper.is_lost &&
	    (!keep->keeper.is_unfit || keep->options->source.backend) &&
	    (!keep->waiting_ns || loop_now_ns() - keep->waiting_ns < WAIT_NS))
		return true;
	/* Looking for one costs more than a look. */
	if (keep->opened_ns && loop_now_ns() - keep->opened_ns < NSEC_PER_SEC)
		return keep->keeper.clk;
	if (open_source(keep, &found)) {
		if (!keep->keeper.clk)
			tell_detail(keep);
		return keep->keeper.clk;
	}
	/* From here on it watches, before the old one is asked a last time. */
	if (keep->runs)
		(void)paraclock_event_fd(found);
	old = keep->keeper.clk;
	keeper_set_clock(&keep->keeper, found);
	close_source(keep, old);
	keep->is_detail_logged = false;
	watch_events(keep);
	return true;
}

/* --- the files ------------------------------------------------------------ */

static void tell_detail(struct keep *keep)
{
	const struct keep_news news = {
		.state = KEEP_WAITING,
		.why = KEEP_WHY_NO_ANSWER,
		.error = -ENODEV,
		.before.error = -ENODEV,
	};

	if (keep->is_detail_logged)
		return;
	keep->is_detail_logged = true;
	service_log(LOG_LEVEL_WARNING, "waiting for a host clock: %s",
		    keep->detail);
	if (keep->runs)
		keep_write_state(keep, &news);
}

static void forget(void *arg)
{
	struct keep *keep = arg;

	if (!keep->options->rules.dry_run)
		chrony_forget(&keep->chrony);
}

/* --- looking -------------------------------------------------------------- */

bool keep_is_settled(const struct keep *keep)
{
	return keep->keeper.clk && (keep->keeper.state == KEEP_RIGHT ||
				    keep->keeper.state == KEEP_OFF);
}

bool keep_is_right(const struct keep *keep, int64_t within_ns)
{
	const struct keeper *keeper = &keep->keeper;
	const struct measurement *m = &keeper->last;
	uint64_t most;

	if (!keeper->clk)
		return false;
	if (within_ns < 0)
		return keeper->state == KEEP_RIGHT;
	if (keeper->state == KEEP_STARTING || keeper->state == KEEP_WAITING ||
	    m->error || !m->sample.valid || m->utc_error ||
	    keep_is_unfit(keeper->why) || keeper->why == KEEP_WHY_EARLIEST)
		return false;
	/* Surely within. */
	return !__builtin_add_overflow(duration_of(m->offset_ns), m->bound_ns,
				       &most) &&
	       most <= (uint64_t)within_ns;
}

enum keep_state keep_look(struct keep *keep)
{
	enum keep_state state = KEEP_WAITING;

	keep->looked_ns = loop_now_ns();
	if (keep_find(keep))
		state = keeper_look(&keep->keeper);
	if (state != KEEP_WAITING)
		keep->waiting_ns = 0;
	else if (!keep->waiting_ns)
		keep->waiting_ns = loop_now_ns();
	if (keep->looked)
		keep->looked(keep->looked_ctx);
	return state;
}

static void on_interval(void *arg)
{
	struct keep *keep = arg;
	int64_t next = keep->options->interval_ns;

	if (keep_look(keep) == KEEP_WAITING && next > SOON_NS)
		/* A source that has been silent for long costs no more than
		 * one that answers. */
		next = loop_now_ns() - keep->waiting_ns < WAIT_NS ? SOON_NS
								  : next;
	(void)loop_timer(keep->loop, next, on_interval, keep);
}

/* Almost: the process then wakes once for both. */
static bool is_due(const struct keep *keep)
{
	int64_t interval_ns = keep->options->interval_ns;

	return loop_now_ns() - keep->looked_ns >=
	       interval_ns - interval_ns / 10;
}

/* The descriptor also becomes readable once a second by itself, and a kernel may
 * log much: only a disruption is worth a measurement. */
static void on_event(void *arg)
{
	struct keep *keep = arg;

	if (is_due(keep) || !keep->keeper.clk ||
	    keep->keeper.state == KEEP_WAITING ||
	    keeper_has_news(&keep->keeper))
		on_interval(keep);
}

/* A marker in memory that wakes nobody. Only /dev/mem needs system calls. */
static void on_marker(void *arg)
{
	struct keep *keep = arg;
	const struct keeper *keeper = &keep->keeper;

	if (keep->options->source.flags & PARACLOCK_DEVICE_MEMORY)
		on_event(keep);
	else if (keeper->clk &&
		 paraclock_disrupted(keeper->clk, keeper->last.sample.epoch))
		on_interval(keep);
	(void)loop_timer(keep->loop, SOON_NS, on_marker, keep);
}

/* --- its life ------------------------------------------------------------- */

/* Is CAP_SYS_TIME effective? */
static bool may_set_clock(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };

	return !syscall(SYS_capget, &head, data) &&
	       data[0].effective & 1U << CAP_SYS_TIME;
}

static bool corrects(const struct keep_options *options)
{
	const struct keep_rules *rules = &options->rules;

	return !rules->dry_run &&
	       (options->sets_clock || rules->on_disruption != KEEP_REPORT ||
		rules->otherwise != KEEP_REPORT);
}

/* A source that never corrects anything is a mistake of the user's. */
static int check_source(struct keep *keep)
{
	struct measurement m = { 0 };
	struct judgement judgement;
	const struct situation none = { 0 };

	if (!keep->keeper.clk || paraclock_read(keep->keeper.clk, &m.sample))
		return STATUS_OK;
	judgement = judge(&keep->options->rules, &none, &m);
	if (!keep_is_unfit(judgement.why))
		return STATUS_OK;
	warnx("%s: %s", paraclock_backend_name(keep->keeper.clk),
	      keep_why_text(judgement.why));
	return STATUS_FAILED;
}

static int open_first(struct keep *keep)
{
	const struct source *source = &keep->options->source;
	struct paraclock *clk;
	int ret = open_source(keep, &clk);

	if (!ret) {
		keeper_set_clock(&keep->keeper, clk);
		return check_source(keep);
	}
	/* It may come; a wrong name never does. source_open() says so. */
	if (ret == -EINVAL && source->backend)
		return source_open(source, &clk) ? STATUS_USAGE : STATUS_OK;
	return STATUS_OK;
}

int keep_open(struct keep *keep, const struct keep_options *options,
	      struct loop *loop)
{
	char why[256], path[256];
	int ret;

	*keep = (struct keep){ .options = options, .loop = loop };
	keep->chrony.loop = loop;
	if (service_check_place(options->in_container, why, sizeof(why))) {
		warnx("%s", why);
		return STATUS_FAILED;
	}
	if (corrects(options) && !may_set_clock()) {
		warnx("this process may not set the clock: run it as root, or "
		      "with CAP_SYS_TIME; --dry-run only says what it would "
		      "do");
		return STATUS_FAILED;
	}
	if (corrects(options))
		keep_make_folders(options->folder);
	keep_path(keep, "step.lock", path, sizeof(path));
	ret = steer_open(&keep->steer, corrects(options) ? path : "", why,
			 sizeof(why));
	if (ret) {
		warnx("%s", why);
		return STATUS_FAILED;
	}
	keep->ops = (struct keep_ops){
		.ctx = keep,
		.arm = steer_arm,
		.was_set = steer_was_set,
		.acquire = steer_acquire,
		.release = steer_release,
		.step = steer_step,
		.slew = steer_slew,
		.kernel = steer_kernel,
		.suspended = steer_suspended,
		.leap_table = steer_leap_table,
		.forget = forget,
		.tell = keep_tell,
	};
	keeper_init(&keep->keeper, &options->rules, &keep->ops, NULL);
	ret = open_first(keep);
	if (ret)
		keep_close(keep);
	return ret;
}

void keep_start(struct keep *keep)
{
	keep->runs = true;
	watch_events(keep);
	if (!keep->keeper.clk)
		tell_detail(keep);
	on_interval(keep);
	on_marker(keep);
}

void keep_close(struct keep *keep)
{
	char path[256];

	close_source(keep, keep->keeper.clk);
	keep->keeper.clk = NULL;
	steer_close(&keep->steer);
	if (keep->runs)
		(void)unlink(keep_path(keep, "keep.json", path, sizeof(path)));
	free(keep->correction);
	for (unsigned int i = 0; i < keep->n_exec; i++)
		free(keep->exec[i]);
}
