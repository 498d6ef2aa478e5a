// SPDX-License-Identifier: MIT
/*
 * A page in physical memory that holds anything, changes while it is copied,
 * and goes away. An input is a page and a list of acts.
 */

#include <string.h>

#include <paraclock/paraclock.h>

#include "fuzz_page.h"
#include "vmclock/vmclock_page.h"

static struct {
	uint8_t page[128];
	size_t size;
	int error;
	uint8_t tears; /* the byte that each copy changes; 0: none */
	unsigned int looks;
	uint64_t counter;
	int64_t mono_ns;
} world;

static uint64_t read_counter(void *ctx)
{
	(void)ctx;
	return world.counter += 100;
}

static int read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	(void)ctx;
	(void)clock_id;
	*ret_ns = world.mono_ns;
	return 0;
}

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	return malloc(size);
}

static void give(void *ctx, void *ptr)
{
	(void)ctx;
	free(ptr);
}

static int map_page(void *ctx, const char *name, const char *path,
		    struct paraclock_mapping *ret_map)
{
	(void)ctx;
	(void)name;
	(void)path;
	if (!(ret_map->flags & PARACLOCK_DEVICE_MEMORY))
		return -ENODEV;
	*ret_map = (struct paraclock_mapping){
		.size = world.size,
		.phys = 4096,
		.fd = -1,
		.flags = PARACLOCK_DEVICE_MEMORY,
	};
	return 0;
}

static int64_t read_memory(void *ctx, const struct paraclock_mapping *map,
			   void *buf, size_t n, uint64_t offset)
{
	(void)ctx;
	world.looks++;
	CHECK(map->size == world.size && offset == 0);
	if (world.error)
		return world.error;
	if (world.tears)
		world.page[world.tears % sizeof(world.page)]++;
	if (n > world.size)
		n = world.size;
	memcpy(buf, world.page, n);
	return (int64_t)n;
}

static const struct paraclock_env env = {
	.size = sizeof(env),
	.counter_id = PARACLOCK_COUNTER_X86_TSC,
	.counter = read_counter,
	.map_page = map_page,
	.read_memory = read_memory,
	.read_clock = read_clock,
	.alloc = take,
	.free = give,
};

/* What the page says, by another way than the source's. -1: nothing. */
static int truth(struct paraclock_marker *ret_marker)
{
	struct page_copy copy = { .size = world.size };
	struct vmclock_page vc;

	if (world.error || world.size < pclk_vmclock_shape.min_size)
		return -1;
	if (copy.size > sizeof(vc))
		copy.size = sizeof(vc);
	memcpy(copy.word, world.page, copy.size);
	if (pclk_vmclock_decode(&copy, &vc))
		return -1;
	ret_marker->value = vc.disruption_marker;
	ret_marker->generation = vc.flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT
					 ? vc.vm_generation_counter
					 : 0;
	return vc.seq_count & 1;
}

static bool is_same(const struct paraclock_marker *a,
		    const struct paraclock_marker *b)
{
	return a->value == b->value && a->generation == b->generation;
}

static void check_event(const struct paraclock_event *event)
{
	struct paraclock_marker now;

	CHECK(!strcmp(event->source, "vmclock"));
	if (event->kind == PARACLOCK_EVENT_SOURCE_LOST) {
		CHECK(event->error < 0);
		return;
	}
	if (event->kind == PARACLOCK_EVENT_SOURCE_FOUND)
		return;
	CHECK(event->kind == PARACLOCK_EVENT_UPDATED ||
	      event->kind == PARACLOCK_EVENT_RESTORED);
	CHECK(event->flags & PARACLOCK_EVENT_MARKERS);
	CHECK(!is_same(&event->marker_before, &event->marker_after));
	if (event->kind == PARACLOCK_EVENT_RESTORED)
		CHECK(event->marker_before.generation !=
		      event->marker_after.generation);
	/* Nothing but a whole state of the page is told. */
	if (!world.tears && truth(&now) == 0)
		CHECK(is_same(&event->marker_after, &now));
}

static void ask(struct paraclock *clk)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_marker now, known;
	unsigned int looks;
	int ret;

	for (unsigned int i = 0; i < 4; i++) {
		looks = world.looks;
		ret = paraclock_next_event(clk, &event);
		CHECK(world.looks - looks < 2000);
		if (ret)
			break;
		check_event(&event);
	}
	if (!world.tears && truth(&now) == 0) {
		CHECK(ret == -EAGAIN);
		CHECK(!paraclock_marker(clk, &known));
		CHECK(is_same(&known, &now));
	}
}

static void read_it(struct paraclock *clk)
{
	unsigned int looks = world.looks;
	struct paraclock_sample sample;
	uint64_t epoch = paraclock_epoch(clk);

	CHECK(!paraclock_read(clk, &sample));
	CHECK(!sample.valid && sample.epoch == epoch);
	CHECK(sample.marker_class == PARACLOCK_MARKER_NONE);
	CHECK(!paraclock_disrupted(clk, epoch));
	CHECK(world.looks == looks);
}

static void act(struct paraclock *clk, const uint8_t *data)
{
	static const int errors[] = { 0, -ENODEV, -ENOMEM, -4096 };

	switch (data[0] % 6) {
	case 0:
		world.page[data[1] % sizeof(world.page)] = data[2];
		break;
	case 1:
		world.error = errors[data[1] % 4];
		break;
	case 2:
		world.tears = data[1];
		break;
	case 3:
		world.mono_ns += data[1] * 10000000LL;
		break;
	case 4:
		read_it(clk);
		break;
	default:
		ask(clk);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
		.env = &env,
		.flags = PARACLOCK_DEVICE_MEMORY,
	};
	struct paraclock *clk;

	if (size < 1 + sizeof(world.page))
		return 0;
	memset(&world, 0, sizeof(world));
	world.size = data[0];
	if (world.size > sizeof(world.page))
		world.size = sizeof(world.page);
	memcpy(world.page, data + 1, sizeof(world.page));
	if (paraclock_open(&clk, &opts))
		return 0;
	data += 1 + sizeof(world.page);
	size -= 1 + sizeof(world.page);
	for (; size >= 3; data += 3, size -= 3)
		act(clk, data);
	ask(clk);
	paraclock_close(clk);
	return 0;
}
