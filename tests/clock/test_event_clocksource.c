// SPDX-License-Identifier: MIT
/* Snapshots know a clocksource once its event was delivered. */

#include "fake_clocks.h"

#define COUNTER PARACLOCK_CLOCKSOURCE_COUNTER
#define OTHER	PARACLOCK_CLOCKSOURCE_OTHER

static struct fake_clocks clocks;
static struct paraclock_env *const env = &clocks.world.env;

/* The descriptor is fake_clocks.c's, which ignores its value. */
static int group(void *ctx, int *fd, int member)
{
	(void)ctx;
	if (member >= 0)
		*fd = 99;
	return 0;
}

static struct paraclock_snapshot make_snapshot(void)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };

	assert_int_equal(paraclock_snapshot(env, &snap), 0);
	return snap;
}

static void set_source(const char *name, uint8_t kind)
{
	memset(clocks.source, 0, sizeof(clocks.source));
	strcpy(clocks.source, name);
	clocks.kind = kind;
}

struct row {
	const char *name;
	const char *from;
	uint8_t from_kind;
	const char *to;
	uint8_t to_kind;
};

static struct row rows[] = {
	/* clang-format off */
	{ "from one unusable clocksource to another",
	  "hpet", OTHER, "acpi_pm", OTHER },
	{ "back to the counter", "hpet", OTHER, "tsc", COUNTER },
	{ "away from the counter", "tsc", COUNTER, "hpet", OTHER },
	/* clang-format on */
};

static void a_change(void **state)
{
	struct paraclock_event event = { .size = sizeof(event) };
	const struct row *row = *state;
	struct paraclock_snapshot snap;
	struct paraclock *clk;

	fake_clocks_init(&clocks);
	env->poll_group = group;
	set_source(row->from, row->from_kind);
	clk = fake_open(&clocks.world, "kvmclock");
	assert_string_equal(make_snapshot().clocksource, row->from);
	assert_int_equal(paraclock_event_fd(clk), 99);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	set_source(row->to, row->to_kind);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_CLOCKSOURCE_CHANGED);
	snap = make_snapshot();
	assert_string_equal(snap.clocksource, row->to);
	assert_int_equal(snap.valid_for_correlation, row->to_kind == COUNTER);
	assert_int_equal(snap.clocksource_changed_seq, 1);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	paraclock_close(clk);
}

/* An env without alloc() behaves the same. */
static void without_a_memory(void **state)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock *clk;

	(void)state;
	fake_clocks_init(&clocks);
	env->poll_group = group;
	env->system_clocks = NULL;
	clk = fake_open(&clocks.world, "kvmclock");
	assert_int_equal(paraclock_event_fd(clk), 99);
	set_source("hpet", OTHER);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_CLOCKSOURCE_CHANGED);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	paraclock_close(clk);
}

int main(void)
{
	ADD_ROWS(rows, a_change);
	add_test("without_a_memory", without_a_memory);
	return run_suite(NULL, NULL);
}
