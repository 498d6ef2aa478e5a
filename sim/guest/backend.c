// SPDX-License-Identifier: MIT
/* The backend sim: its time is the truth. */

#include <errno.h>

#include "guest.h"

/* Opened by name only: no real machine has it. */
#define QUALITY (-200)

struct sim_state {
	const struct paraclock_env *env;
	const struct paraclock_sim_vm *vm;
	uint8_t timescale;
};

/* The timescale that is asked for, if it is only one; else TAI. */
static uint8_t choose(uint32_t timescales)
{
	if (timescales == 1U << PARACLOCK_TIMESCALE_UTC)
		return PARACLOCK_TIMESCALE_UTC;
	return timescales == 1U << PARACLOCK_TIMESCALE_MONOTONIC
		       ? PARACLOCK_TIMESCALE_MONOTONIC
		       : PARACLOCK_TIMESCALE_TAI;
}

static int sim_open(const struct paraclock_env *env,
		    const struct paraclock_options *opts, void *arg,
		    void **ret_state)
{
	const struct sim_view *view = pclk_sim_view_of(env);
	struct sim_state *state;

	(void)arg;

	if (!view)
		return -ENODEV;
	state = malloc(sizeof(*state));
	if (!state)
		return -ENOMEM;
	state->env = env;
	state->vm = view->vm;
	state->timescale = choose(opts->timescales);
	*ret_state = state;
	return 0;
}

static int sim_get_time_at(void *arg, uint64_t counter,
			   struct paraclock_sample *ret_sample)
{
	const struct sim_state *state = arg;
	struct paraclock_sample sample = {
		.host_tsc = counter,
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.valid = 1,
		.timescale = state->timescale,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.leap = PARACLOCK_LEAP_UNKNOWN,
	};
	int ret = paraclock_sim_truth(state->vm, counter, state->timescale,
				      &sample.host_ns);

	if (ret == -ESTALE) {
		sample.valid = 0;
		sample.reason = PARACLOCK_REASON_WINDOW;
		sample.pair_error_ns = PARACLOCK_ERROR_UNKNOWN;
		ret = 0;
	}
	if (!ret)
		*ret_sample = sample;
	return ret;
}

static int sim_get_time(void *arg, struct paraclock_sample *ret_sample)
{
	const struct paraclock_env *env = ((struct sim_state *)arg)->env;

	return sim_get_time_at(arg, env->counter(env->ctx), ret_sample);
}

static int sim_get_marker(void *arg, struct paraclock_marker *ret_marker)
{
	const struct paraclock_sim_vm *vm = ((struct sim_state *)arg)->vm;

	pclk_sim_lock(vm->sim);
	/* From 1 on: a generation of 0 means "not provided". */
	ret_marker->value = vm->moves + 1;
	ret_marker->generation = vm->restores + 1;
	pclk_sim_unlock(vm->sim);
	return 0;
}

static void sim_close(void *arg)
{
	free(arg);
}

const struct paraclock_backend *paraclock_sim_backend(void)
{
	static const struct paraclock_backend backend = {
		.size = sizeof(backend),
		.name = "sim",
		.quality = QUALITY,
		.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
		.open = sim_open,
		.get_time = sim_get_time,
		.get_time_at = sim_get_time_at,
		.get_marker = sim_get_marker,
		.close = sim_close,
	};

	return &backend;
}
