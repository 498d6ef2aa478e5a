// SPDX-License-Identifier: MIT
/* The writers' rules: sequences, constants, and the page after a refusal. */

#include <paraclock/backend.h>
#include <paraclock/host.h>

#include "written.h"

/* --- sequences ------------------------------------------------------------ */

struct sequence_case {
	const char *name;
	unsigned int kind;
	uint32_t before, after;
};

static struct sequence_case sequences[] = {
	/* clang-format off */
	{ "pvclock begins at 2", 0, 0, 2 },
	{ "pvclock goes on by 2", 0, 4, 6 },
	{ "pvclock is repaired", 0, 5, 6 },
	{ "pvclock wraps", 0, 0xfffffffe, 0 },
	{ "pvclock wraps when it is repaired", 0, 0xffffffff, 0 },
	{ "vmclock begins at 2", 2, 0, 2 },
	{ "vmclock is repaired", 2, 7, 8 },
	{ "vmclock wraps", 2, 0xfffffffe, 0 },
	{ "hyperv begins at 1", 1, 0, 1 },
	{ "hyperv goes on by 1", 1, 4, 5 },
	{ "hyperv skips 0xffffffff and 0", 1, 0xfffffffe, 1 },
	{ "hyperv: 0xffffffff is not a sequence", 1, 0xffffffff, 1 },
	/* clang-format on */
};

static void check_sequence(void **state)
{
	const struct sequence_case *c = *state;
	const struct writer_kind *kind = &kinds[c->kind];
	uint8_t *page;

	start(kind, 1000);
	page = page_of(&guest, kind);
	put32(page, kind->seq, c->before);
	assert_int_equal(write_timeline(kind), 0);
	assert_int_equal(sequence_at(&guest, kind), c->after);
}

static void hyperv_off_continues_its_sequence(void **state)
{
	(void)state;
	start(&kinds[1], 1000);
	for (int i = 0; i < 41; i++)
		assert_int_equal(write_timeline(&kinds[1]), 0);
	assert_int_equal(sequence_at(&guest, &kinds[1]), 41);
	put32(guest.hyperv, 0, 0);
	assert_int_equal(write_timeline(&kinds[1]), 0);
	assert_int_equal(sequence_at(&guest, &kinds[1]), 42);
}

/* Neither the handle nor the page knows which sequences were used. */
static void hyperv_off_and_unknown_begins_anywhere(void **state)
{
	(void)state;
	start(&kinds[1], 123456789);
	fake_set_hyperv(&guest, 0, 5);
	assert_int_equal(write_timeline(&kinds[1]), 0);
	assert_true(sequence_at(&guest, &kinds[1]) > 123456789);
}

static void the_guests_own_flag_stays(void **state)
{
	(void)state;
	start(&kinds[0], 1000);
	assert_int_equal(write_timeline(&kinds[0]), 0);
	assert_int_equal(guest.pvclock[29], 1);
	guest.pvclock[29] = 7;
	assert_int_equal(write_timeline(&kinds[0]), 0);
	assert_int_equal(guest.pvclock[29], 3);
	guest.pvclock[29] = 0;
	conv.flags = 0;
	assert_int_equal(write_timeline(&kinds[0]), 0);
	assert_int_equal(guest.pvclock[29], 0);
}

/* A repair does not bring back a flag that the guest has cleared since. */
static void the_guests_own_flag_is_not_brought_back(void **state)
{
	(void)state;
	start(&kinds[0], 1000);
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	guest.pvclock[29] = 2;
	assert_int_equal(write_timeline(&kinds[0]), 0);
	assert_int_equal(guest.pvclock[29], 3);
	/* A writer died in the middle, and the next one is refused. */
	put32(guest.pvclock, 0, 3);
	guest.pvclock[29] = 1;
	shift_conversion(-1000000);
	assert_int_equal(write_timeline(&kinds[0]), -ESTALE);
	assert_int_equal(guest.pvclock[29], 1);
	/* Nor does it lose a flag that the host set since. */
	put32(guest.pvclock, 0, 5);
	guest.pvclock[29] = 2;
	assert_int_equal(write_timeline(&kinds[0]), -ESTALE);
	assert_int_equal(guest.pvclock[29], 3);
	assert_int_equal(sequence_at(&guest, &kinds[0]), 6);
}

/* --- a base or a window to come ------------------------------------------- */

struct coming {
	const char *name;
	uint64_t base_tsc, t_start;
	uint32_t flags;
	int ret;
	uint64_t written; /* the page's tsc_timestamp */
};

/* The counter is LONG and a few ticks. */
static struct coming comings[] = {
	/* clang-format off */
	{ "pvclock: a window that has not begun is refused",
	  LONG - HZ, LONG + HZ, 0,
	  -ESTALE, 0 },
	{ "pvclock: with the promise it is refused, too", LONG - HZ, LONG + HZ,
	  PARACLOCK_TIMELINE_MONOTONIC, -ESTALE, 0 },
	{ "pvclock: a base and a window that have not begun are refused",
	  LONG + HZ,
	  LONG + HZ, 0, -ESTALE, 0 },
	{ "pvclock: a base to come is moved to now", LONG + HZ, 0, 0, 0,
	  LONG },
	{ "pvclock: with the promise, to when that is judged",
	  LONG + HZ, LONG - HZ, PARACLOCK_TIMELINE_MONOTONIC, 0, LONG + 130 },
	{ "pvclock: a base just before now stays", LONG - 1000, LONG - 1000, 0,
	  0, LONG - 1000 },
	/* clang-format on */
};

static uint64_t written_base(void)
{
	uint64_t tsc;

	memcpy(&tsc, guest.pvclock + 8, sizeof(tsc));
	return tsc;
}

/*
 * A guest's kernel mistakes a counter before the base for one 2^64 ticks after
 * it.
 */
static void pvclock_begins_now_or_before(void **state)
{
	const struct coming *c = *state;
	uint8_t before[32];

	start(&kinds[0], LONG);
	conv.base_tsc = c->base_tsc;
	conv.base_sec = c->base_tsc / HZ;
	conv.base_frac = (uint64_t)(((u128)(c->base_tsc % HZ) << 64) / HZ);
	conv.t_start = c->t_start;
	conv.flags |= c->flags;
	memcpy(before, guest.pvclock, sizeof(before));
	assert_int_equal(write_timeline(&kinds[0]), c->ret);
	if (c->ret) {
		assert_memory_equal(guest.pvclock, before, sizeof(before));
		return;
	}
	assert_int_equal(written_base(), c->written);
	/* 1 ns a tick; from the base on by a rate that is rounded. */
	assert_in_range(read_ns(&kinds[0], LONG + 1000) - (int64_t)LONG, 997,
			1000);
}

/* --- misuse --------------------------------------------------------------- */

static void memory_that_is_no_page_is_refused(void **state)
{
	const struct writer_kind *kind = *state;
	struct paraclock_env small;
	uint8_t *page;

	start(kind, 1000);
	page = page_of(&guest, kind);
	small = host.env;
	small.size--;
	assert_int_equal(kind->write(NULL, &writer, &host.env, &conv), -EINVAL);
	assert_int_equal(kind->write(page, NULL, &host.env, &conv), -EINVAL);
	assert_int_equal(kind->write(page, &writer, &host.env, NULL), -EINVAL);
	assert_int_equal(kind->write(page, &writer, &small, &conv), -EINVAL);
	assert_int_equal(kind->write(page + 4, &writer, &host.env, &conv),
			 -EINVAL);
	host.process_id++;
	assert_int_equal(kind->write(page, &writer, &host.env, &conv), -EPERM);
	for (size_t i = 0; i < 4096; i++)
		assert_int_equal(page[i], 0);
}

static void a_handle_is_for_one_kind_of_page(void **state)
{
	(void)state;
	start(&kinds[0], 1000);
	assert_int_equal(write_timeline(&kinds[0]), 0);
	assert_int_equal(write_timeline(&kinds[1]), -EINVAL);
	assert_int_equal(paraclock_vmclock_freeze(guest.vmclock, &writer,
						  &host.env),
			 -EINVAL);
	/* A refusal does not keep the lock. */
	assert_int_equal(write_timeline(&kinds[0]), 0);
}

static void vmclocks_constants_are_constant(void **state)
{
	(void)state;
	start(&kinds[2], 1000);
	assert_int_equal(write_timeline(&kinds[2]), 0);
	conv.timescale = PARACLOCK_TIMESCALE_UTC;
	assert_int_equal(write_timeline(&kinds[2]), -EINVAL);
	conv.timescale = PARACLOCK_TIMESCALE_TAI;
	conv.counter = PARACLOCK_COUNTER_ARM_VCNT;
	assert_int_equal(write_timeline(&kinds[2]), -EINVAL);
	conv.counter = PARACLOCK_COUNTER_X86_TSC;
	assert_int_equal(write_timeline(&kinds[2]), 0);
	assert_int_equal(sequence_at(&guest, &kinds[2]), 4);
}

static void memory_that_is_no_vmclock_is_left_alone(void **state)
{
	static const struct {
		size_t offset;
		uint32_t value;
	} wrong[] = { { 0, 0x12345678 }, { 4, 104 }, { 8, 0x01010002 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		uint8_t before[4096];

		start(&kinds[2], 1000);
		fake_set_vmclock(&guest, 2, 1, 0, 0);
		put32(guest.vmclock, wrong[i].offset, wrong[i].value);
		memcpy(before, guest.vmclock, sizeof(before));
		assert_int_equal(write_timeline(&kinds[2]), -EPROTO);
		assert_memory_equal(guest.vmclock, before, sizeof(before));
	}
}

/* --- freezing ------------------------------------------------------------- */

static int freeze(const struct writer_kind *kind)
{
	return kind->seq ? paraclock_vmclock_freeze(guest.vmclock, &writer,
						    &host.env)
			 : paraclock_hyperv_freeze(guest.hyperv, &writer,
						   &host.env);
}

static void a_frozen_page_is_not_valid(void **state)
{
	const struct writer_kind *kind = *state;
	struct paraclock_sample sample;
	struct paraclock *clk;

	start(kind, LONG);
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(write_timeline(kind), 0);
	guest.counter = LONG + 1000;
	guest.counter_step = 1 << 17;
	clk = fake_open(&guest, kind->backend);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_true(sample.valid);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(freeze(kind), 0);
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_int_equal(sample.valid, 0);
		assert_int_equal(sample.reason,
				 kind->seq ? PARACLOCK_REASON_STATUS
					   : PARACLOCK_REASON_SEQUENCE);
	}
	/* A timeline that the promise forbids does not end the freeze. */
	shift_conversion(-1000000);
	assert_int_equal(write_timeline(kind), -ESTALE);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 0);
	shift_conversion(2000000);
	assert_int_equal(write_timeline(kind), 0);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_true(sample.valid);
	paraclock_close(clk);
}

/* A dead writer's 0 is not a freeze, whatever the page was before. */
static void a_thawed_page_is_repaired(void **state)
{
	(void)state;
	start(&kinds[1], LONG);
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(freeze(&kinds[1]), 0);
	assert_int_equal(write_timeline(&kinds[1]), 0);
	put32(guest.hyperv, 0, 0);
	shift_conversion(-1000000);
	assert_int_equal(write_timeline(&kinds[1]), -ESTALE);
	(void)read_ns(&kinds[1], LONG + 1000);
}

static void a_page_with_nothing_to_freeze(void **state)
{
	(void)state;
	start(&kinds[2], LONG);
	assert_int_equal(freeze(&kinds[2]), -EPROTO);
	for (size_t i = 0; i < 4096; i++)
		assert_int_equal(guest.vmclock[i], 0);
	start(&kinds[1], LONG);
	assert_int_equal(freeze(&kinds[1]), 0);
	assert_int_equal(write_timeline(&kinds[1]), 0);
	assert_int_equal(sequence_at(&guest, &kinds[1]), 1);
}

/* --- all of them ---------------------------------------------------------- */

static struct CMUnitTest singles[] = {
	cmocka_unit_test(hyperv_off_continues_its_sequence),
	cmocka_unit_test(hyperv_off_and_unknown_begins_anywhere),
	cmocka_unit_test(the_guests_own_flag_stays),
	cmocka_unit_test(the_guests_own_flag_is_not_brought_back),
	cmocka_unit_test(a_handle_is_for_one_kind_of_page),
	cmocka_unit_test(vmclocks_constants_are_constant),
	cmocka_unit_test(memory_that_is_no_vmclock_is_left_alone),
	cmocka_unit_test(a_thawed_page_is_repaired),
	cmocka_unit_test(a_page_with_nothing_to_freeze),
	FOR_KIND(a_frozen_page_is_not_valid, 1),
	FOR_KIND(a_frozen_page_is_not_valid, 2),
	FOR_KIND(memory_that_is_no_page_is_refused, 0),
	FOR_KIND(memory_that_is_no_page_is_refused, 1),
	FOR_KIND(memory_that_is_no_page_is_refused, 2),
};

int main(void)
{
	ADD_TESTS(singles);
	ADD_ROWS(sequences, check_sequence);
	ADD_ROWS(comings, pvclock_begins_now_or_before);
	return run_suite(NULL, NULL);
}
