// SPDX-License-Identifier: MIT
/*
 * Writers whose own memory, shared between processes, was overwritten: the
 * record of the last write is not believed, and nothing undefined is done.
 */

#include "host/page_writer.h"
#include "host/timeline.h"
#include "random.h"
#include "writers.h"

static struct fake fake;
static struct paraclock_page_writer writer;

static struct page_writer_state *state_of(void)
{
	return (void *)&writer;
}

static int write_behind(const struct writer_kind *kind, uint32_t flags,
			uint64_t ns)
{
	struct paraclock_timeline tl = timeline_of(kind, 1000000000);

	tl.base_tsc = fake.counter;
	ns = fake.counter - ns;
	tl.base_sec = ns / 1000000000;
	tl.base_frac = ns % 1000000000 * TIMELINE_NSEC;
	tl.flags |= flags;
	return kind->write(page_of(&fake, kind), &writer, &fake.env, &tl);
}

static int write_timeline(const struct writer_kind *kind, uint32_t flags)
{
	return write_behind(kind, flags, 0);
}

static void start(const struct writer_kind *kind)
{
	only_page(&fake, kind);
	fake.counter = 1000000000000;
	fake.counter_step = 100;
	memset(&writer, 0, sizeof(writer));
	assert_int_equal(paraclock_page_writer_acquire(&writer, &fake.env), 0);
	assert_int_equal(write_timeline(kind, 0), 0);
}

struct pair_case {
	const char *name;
	unsigned int kind;
	unsigned int word, shift;
	uint64_t mask, value; /* of that word of the image */
};

static struct pair_case pair_cases[] = {
	/* clang-format off */
	{ "a shift of -128", 0, 3, 32, 0xff, 0x80 },
	{ "a shift of 127", 0, 3, 32, 0xff, 0x7f },
	{ "a shift of 32", 0, 3, 32, 0xff, 32 },
	{ "a multiplier of 0", 0, 3, 0, 0xffffffff, 0 },
	{ "a scale of 0", 1, 1, 0, UINT64_MAX, 0 },
	{ "a page that is no vmclock", 2, 0, 0, 0xffffffff, 0 },
	/* clang-format on */
};

static void spoil(const struct pair_case *c, struct page_image *image)
{
	image->word[c->word] &= ~(c->mask << c->shift);
	image->word[c->word] |= c->value << c->shift;
}

/* The writer acts as if nothing had been written: the page counts. */
static void hostile_state_is_not_believed(void **state)
{
	const struct pair_case *c = *state;
	const struct writer_kind *kind = &kinds[c->kind];
	struct paraclock_sample sample;
	struct paraclock *clk;

	start(kind);
	/* The requested bit, the bit on the page, or both. */
	for (unsigned int i = 1; i <= 3; i++) {
		struct page_pair *pair = &state_of()->pair[0];

		if (i & 1)
			spoil(c, &pair->asked);
		if (i & 2)
			spoil(c, &pair->shown);
		/* It may also be the write that repairs a half written page. */
		state_of()->current = 1;
		fake.counter += 1000000000;
		/* MONOTONIC is judged by the page, which is unchanged. */
		assert_int_equal(write_behind(kind,
					      PARACLOCK_TIMELINE_MONOTONIC,
					      500000000),
				 -ESTALE);
		assert_int_equal(
			write_timeline(kind, PARACLOCK_TIMELINE_MONOTONIC), 0);
	}
	clk = fake_open(&fake, kind->backend);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_in_range(sample.host_ns, (int64_t)sample.host_tsc - kind->below,
			(int64_t)sample.host_tsc + kind->lifted);
	paraclock_close(clk);
}

/* Any of its words but its owner; a sanitizer checks it. */
static void any_memory_will_do(void **state)
{
	const struct writer_kind *kind = *state;
	unsigned int written = 0;

	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t *word = (void *)state_of()->pair;

		start(kind);
		for (size_t w = 0; w < sizeof(state_of()->pair) / 8; w++)
			if (random_word() % 8 == 0)
				word[w] = random_length();
		state_of()->current = (uint32_t)random_length();
		state_of()->sequence = (uint32_t)random_length();
		state_of()->off = (uint32_t)(random_word() & 1);
		fake.counter += 1 + random_word() % 1000000000;
		written += !write_timeline(kind, PARACLOCK_TIMELINE_MONOTONIC);
		(void)write_timeline(kind, 0);
		if (kind->write == paraclock_vmclock_write)
			(void)paraclock_vmclock_freeze(page_of(&fake, kind),
						       &writer, &fake.env);
	}
	assert_true(written > 0);
}

int main(void)
{
	ADD_ROWS(pair_cases, hostile_state_is_not_believed);
	ADD_ROWS(kinds, any_memory_will_do);
	return run_suite(NULL, NULL);
}
