// SPDX-License-Identifier: MIT
/*
 * The guest agent protocol, between a host and an upstream that both say
 * anything. An input is a list of acts: a byte that is an act, a byte that is a
 * length, and so many bytes.
 */
#include <string.h>

#include "qga_bed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum act {
	HOST_SAYS,
	HOST_SAYS_MUCH, /* the bytes, 256 times */
	UPSTREAM_SAYS,	/* anything */
	UPSTREAM_ANSWERS,
	UPSTREAM_COMES,
	UPSTREAM_GOES,
	HOST_GOES,
	HOST_READS,
	TIME_PASSES,
	ACTS,
};

/* An output, and what may come on top of it: a reply with an id, a line for
 * each request in flight, or a piece of input. */
#define OUTPUT_MAX (4 * QGA_OUTPUT_FULL)

/* The upstream reads what it was sent as long as it answers by the rules. */
static void drop_input(struct bed *bed)
{
	bed->qga->to_upstream.at = bed->qga->to_upstream.len = 0;
	qga_run(bed->qga);
}

static void act(struct bed *bed, enum act act, const char *data, size_t size)
{
	switch (act) {
	case HOST_SAYS:
		bed_host(bed, data, size, SIZE_MAX);
		return;
	case HOST_SAYS_MUCH:
		for (int i = 0; i < 256; i++)
			bed_host(bed, data, size, SIZE_MAX);
		return;
	case UPSTREAM_SAYS:
		if (bed->qga->is_up && qga_upstream_ready(bed->qga))
			bed_upstream(bed, data, size);
		return;
	case UPSTREAM_ANSWERS:
		bed_answer(bed);
		return;
	case UPSTREAM_COMES:
		bed_connect(bed);
		return;
	case UPSTREAM_GOES:
		bed_away(bed);
		drop_input(bed);
		return;
	case HOST_GOES:
		qga_host_gone(bed->qga);
		return;
	case HOST_READS:
		bed_drop_output(bed);
		return;
	default:
		bed->now_ns += 50000000;
		return;
	}
}

static void check(const struct bed *bed)
{
	BED_CHECK(!bed->qga->to_host.failed);
	BED_CHECK(!bed->qga->to_upstream.failed);
	BED_CHECK(qga_buffer_count(&bed->qga->to_host) <= OUTPUT_MAX);
	BED_CHECK(qga_buffer_count(&bed->qga->to_upstream) <= OUTPUT_MAX);
	/* Without an upstream nothing waits for one. */
	BED_CHECK(bed->qga->is_up || !bed->qga->waits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bed bed;

	bed_open(&bed, size && data[0] & 1);
	for (size_t i = 1; i + 2 <= size;) {
		enum act what = data[i] % ACTS;
		size_t n = data[i + 1];

		i += 2;
		n = n < size - i ? n : size - i;
		if (bed.qga->options.upstream || what < UPSTREAM_SAYS ||
		    what > UPSTREAM_GOES)
			act(&bed, what, (const char *)data + i, n);
		check(&bed);
		i += n;
	}
	bed_close(&bed);
	return 0;
}
