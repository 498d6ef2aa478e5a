// SPDX-License-Identifier: MIT
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "duration.h"
#include "keep_service.h"
#include "keep_tell.h"

/* --- the files ------------------------------------------------------------ */

static void missing(void *arg)
{
	struct keep *keep = arg;
	const struct keep_news news = {
		.state = KEEP_WAITING,
		.why = KEEP_WHY_NO_ANSWER,
		.error = -ENODEV,
		.before.error = -ENODEV,
	};

	if (keep->observer.runs)
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
	return keep->observer.keeper.clk &&
	       (keep->observer.keeper.state == KEEP_RIGHT ||
		keep->observer.keeper.state == KEEP_OFF);
}

bool keep_is_right(const struct keep *keep, int64_t within_ns)
{
	const struct keeper *keeper = &keep->observer.keeper;
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

int keep_open(struct keep *keep, const struct keep_options *options,
	      struct loop *loop)
{
	char why[256], path[256];
	int ret;

	*keep = (struct keep){ .options = options };
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
		state_make_folders(options->folder);
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
	ret = observer_open(&keep->observer, &options->observer, loop,
			    &options->rules, &keep->ops);
	if (ret) {
		steer_close(&keep->steer);
		return ret;
	}
	keep->observer.missing = missing;
	keep->observer.missing_ctx = keep;
	return 0;
}

void keep_close(struct keep *keep)
{
	char path[256];
	bool ran = keep->observer.runs;

	observer_close(&keep->observer);
	steer_close(&keep->steer);
	if (ran)
		(void)unlink(keep_path(keep, "keep.json", path, sizeof(path)));
	free(keep->correction);
	for (unsigned int i = 0; i < keep->n_exec; i++)
		free(keep->exec[i]);
}
