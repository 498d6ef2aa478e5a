// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "fuzz_page.h"

/* More looks at the counter than any bounded loop may make. */
#define LOOKS_MAX (1U << 20)

/* Steps of a counter that runs while the page is being written. */
#define BUSY_STEP (1U << 14)

struct world {
	struct paraclock_env env;
	_Alignas(4096) uint8_t page[4096];
	const char *name; /* of the only page there is */
	bool is_file;
	size_t size;
	uint64_t counter;
	bool busy;
	unsigned int looks;
};

static uint64_t world_counter(void *ctx)
{
	struct world *world = ctx;

	CHECK(++world->looks < LOOKS_MAX);
	/* May wrap: the bound of a loop is a difference. */
	if (world->busy)
		world->counter += BUSY_STEP;
	return world->counter;
}

static int world_map(void *ctx, const char *name, const char *path,
		     struct paraclock_mapping *ret_map)
{
	struct world *world = ctx;

	(void)path;
	if (strcmp(name, world->name) != 0)
		return -ENODEV;
	*ret_map = (struct paraclock_mapping){
		.addr = world->is_file ? NULL : world->page,
		.size = world->size,
		.fd = -1,
	};
	return 0;
}

static int64_t world_pread(void *ctx, int fd, void *buf, size_t n,
			   uint64_t offset)
{
	struct world *world = ctx;

	(void)fd;
	if (offset >= world->size)
		return 0;
	if (n > world->size - offset)
		n = world->size - (size_t)offset;
	memcpy(buf, world->page + offset, n);
	return (int64_t)n;
}

static void *world_alloc(void *ctx, size_t size)
{
	(void)ctx;
	return malloc(size);
}

static void world_free(void *ctx, void *ptr)
{
	(void)ctx;
	free(ptr);
}

bool fuzz_has_tsc(const struct paraclock_env *env)
{
	return env->counter_id != PARACLOCK_COUNTER_ARM_VCNT;
}

void fuzz_foreign(struct paraclock_sample *sample, uint64_t counter)
{
	sample->host_tsc = counter;
	sample->pair_error_ns = PARACLOCK_ERROR_UNKNOWN;
	sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
	sample->valid = 0;
	sample->reason = PARACLOCK_REASON_COUNTER;
}

static void check_sample(const struct paraclock_sample *sample)
{
	static const uint8_t zero[sizeof(sample->reserved)];

	CHECK(sample->valid == (sample->reason == PARACLOCK_REASON_OK));
	CHECK(sample->reason <= PARACLOCK_REASON_IMPLAUSIBLE);
	CHECK(sample->pair_error_ns ==
	      (sample->valid ? 0 : PARACLOCK_ERROR_UNKNOWN));
	CHECK(sample->valid ||
	      sample->clock_error_ns == PARACLOCK_ERROR_UNKNOWN);
	CHECK(sample->timescale <= PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED);
	CHECK(sample->counter <= PARACLOCK_COUNTER_ARM_VCNT);
	CHECK(sample->leap <= PARACLOCK_LEAP_POST_NEG ||
	      sample->leap == PARACLOCK_LEAP_UNKNOWN);
	CHECK(memcmp(sample->reserved, zero, sizeof(zero)) == 0);
}

static void check_untouched(const struct paraclock_sample *sample)
{
	struct paraclock_sample clean;

	memset(&clean, 0xa5, sizeof(clean));
	CHECK(memcmp(sample, &clean, sizeof(clean)) == 0);
}

/* The page's present contents. */
static int expect(const struct fuzz_kind *kind, const struct world *world,
		  uint64_t max_age_ns, uint64_t counter,
		  struct paraclock_sample *ret_sample)
{
	const char *bad = NULL;
	int ret;

	memset(ret_sample, 0xa5, sizeof(*ret_sample));
	ret = kind->convert(world->page, world->size, &world->env, max_age_ns,
			    counter, ret_sample, &bad);
	CHECK(ret == 0 || ret == -EPROTO || ret == -ERANGE || ret == -EAGAIN);
	CHECK((bad != NULL) == (ret == -EPROTO));
	if (ret)
		check_untouched(ret_sample);
	return ret;
}

static void check_read(const struct fuzz_kind *kind, const struct world *world,
		       uint64_t max_age_ns, int ret,
		       struct paraclock_sample *got)
{
	struct paraclock_sample want;

	CHECK(expect(kind, world, max_age_ns,
		     ret ? world->counter : got->host_tsc, &want) == ret);
	if (ret) {
		check_untouched(got);
		return;
	}
	check_sample(got);
	CHECK(got->epoch > 0);
	want.epoch = got->epoch;
	want.marker_class = got->marker_class;
	CHECK(memcmp(got, &want, sizeof(want)) == 0);
}

static void read_twice(const struct fuzz_kind *kind, struct world *world,
		       uint64_t max_age_ns, const struct paraclock *clk)
{
	struct paraclock_sample first, second, at;
	char text[64];
	int ret;

	memset(&first, 0xa5, sizeof(first));
	memset(&at, 0xa5, sizeof(at));
	world->looks = 0;
	ret = paraclock_read(clk, &first);
	check_read(kind, world, max_age_ns, ret, &first);
	CHECK(paraclock_explain(clk, ret, &first, text, sizeof(text)) == 0);
	CHECK(strnlen(text, sizeof(text)) - 1 < sizeof(text) - 1);
	if (world->busy)
		return;
	/* The second is the hot one, if the page has a conversion. */
	memset(&second, 0xa5, sizeof(second));
	CHECK(paraclock_read(clk, &second) == ret);
	CHECK(memcmp(&first, &second, sizeof(first)) == 0);
	CHECK(paraclock_read_at(clk, world->counter, &at) == ret);
	CHECK(memcmp(&first, &at, sizeof(first)) == 0);
}

static void advance(struct world *world, uint64_t ticks)
{
	world->counter = ticks < UINT64_MAX - world->counter
				 ? world->counter + ticks
				 : UINT64_MAX;
}

static void show(struct world *world, const struct fuzz_kind *kind,
		 const uint8_t *page)
{
	uint32_t was, seq;

	memcpy(&was, world->page + kind->shape->seq_offset, sizeof(was));
	memcpy(world->page, page, kind->shape->size);
	memcpy(&seq, world->page + kind->shape->seq_offset, sizeof(seq));
	/* A host that changes its page changes the sequence. */
	if (seq == was)
		seq += 2;
	memcpy(world->page + kind->shape->seq_offset, &seq, sizeof(seq));
	world->busy = pclk_page_busy(kind->shape, seq);
}

static void init(struct world *world, const struct fuzz_kind *kind,
		 const struct fuzz_input *in)
{
	static const uint8_t counters[] = { PARACLOCK_COUNTER_X86_TSC,
					    PARACLOCK_COUNTER_ARM_VCNT,
					    PARACLOCK_COUNTER_ANY };

	memset(world, 0, sizeof(*world));
	world->env = (struct paraclock_env){
		.size = sizeof(world->env),
		.ctx = world,
		.counter_id = counters[in->counter_id % 3],
		.counter = world_counter,
		.map_page = world_map,
		.pread = world_pread,
		.alloc = world_alloc,
		.free = world_free,
	};
	world->name = kind->shape->name;
	world->is_file = in->is_file & 1;
	world->size = world->is_file ? in->file_size : sizeof(world->page);
	world->counter = in->counter;
}

void fuzz_page(const struct fuzz_kind *kind, const uint8_t *data, size_t size)
{
	static struct world world;
	uint8_t pages[2][PAGE_COPY_MAX] = { 0 };
	struct fuzz_input in = { 0 };
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = kind->backend,
		.env = &world.env,
	};
	struct paraclock *clk;
	size_t at = sizeof(in);

	if (size < at)
		return;
	memcpy(&in, data, at);
	for (unsigned int i = 0; i < 2; i++) {
		size_t n = size - at < kind->shape->size ? size - at
							 : kind->shape->size;

		memcpy(pages[i], data + at, n);
		at += n;
	}
	init(&world, kind, &in);
	opts.max_age_ns = in.max_age_ns;
	opts.device = in.has_device & 1 ? "page" : NULL;
	show(&world, kind, pages[0]);
	if (paraclock_open(&clk, &opts))
		return;
	read_twice(kind, &world, in.max_age_ns, clk);
	advance(&world, in.later);
	read_twice(kind, &world, in.max_age_ns, clk);
	show(&world, kind, pages[1]);
	read_twice(kind, &world, in.max_age_ns, clk);
	paraclock_close(clk);
}
