// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "qga_bed.h"

static int64_t now(void *ctx)
{
	const struct bed *bed = ctx;

	return bed->now_ns;
}

static int64_t next_nonce(void *ctx)
{
	struct bed *bed = ctx;

	return bed->nonce++;
}

static void tell(void *ctx, enum qga_event event, const char *text)
{
	struct bed *bed = ctx;

	BED_CHECK(event == QGA_TIME_SET || event == QGA_TIME_REFUSED);
	BED_CHECK(text[0]);
	bed->told++;
}

static int get_time(void *ctx, int64_t *ret_ns)
{
	(void)ctx;
	*ret_ns = BED_NOW;
	return 0;
}

static int set_time(void *ctx, int64_t ns, char *why, size_t size)
{
	struct bed *bed = ctx;

	BED_CHECK(ns >= 0);
	bed->sets++;
	bed->last_set_ns = ns;
	if (bed->set_error)
		snprintf(why, size, "the clock refuses");
	return bed->set_error;
}

static int set_from_host(void *ctx, char *why, size_t size)
{
	struct bed *bed = ctx;

	(void)why;
	(void)size;
	bed->sets_from_host++;
	return bed->set_error;
}

static json_t *status(void *ctx)
{
	(void)ctx;
	return json_pack("{s:b}", "valid", 1);
}

void bed_open(struct bed *bed, bool upstream)
{
	struct qga_options options = {
		.clock = { bed, get_time, set_time, set_from_host, status },
		.upstream = upstream,
		.version = "1.2.3",
		.now = now,
		.nonce = next_nonce,
		.tell = tell,
		.ctx = bed,
	};

	*bed = (struct bed){ .nonce = BED_FIRST_NONCE };
	BED_CHECK(qga_new(&bed->qga, &options) == 0);
}

void bed_close(struct bed *bed)
{
	qga_free(bed->qga);
	bed->qga = NULL;
}

size_t bed_host(struct bed *bed, const char *data, size_t size, size_t piece)
{
	size_t done = 0;

	while (done < size) {
		char *at;
		size_t n = qga_host_space(bed->qga, &at);

		if (!n)
			break;
		n = n < piece ? n : piece;
		n = n < size - done ? n : size - done;
		memcpy(at, data + done, n);
		qga_host_fill(bed->qga, n);
		qga_run(bed->qga);
		done += n;
	}
	return done;
}

void bed_upstream(struct bed *bed, const char *data, size_t size)
{
	qga_upstream_fill(bed->qga, data, size);
	qga_run(bed->qga);
}

void bed_away(struct bed *bed)
{
	qga_upstream_down(bed->qga);
	qga_run(bed->qga);
}

void bed_connect(struct bed *bed)
{
	if (bed->qga->is_up)
		bed_away(bed);
	qga_scan_reset(&bed->scan);
	bed->barrier_len = 0;
	qga_upstream_up(bed->qga);
	qga_run(bed->qga);
}

size_t bed_drop_output(struct bed *bed)
{
	size_t count = qga_buffer_count(&bed->qga->to_host);

	BED_CHECK(!bed->qga->to_host.failed);
	bed->qga->to_host.at = bed->qga->to_host.len = 0;
	qga_run(bed->qga);
	return count;
}

static void reply(struct bed *bed)
{
	char text[64] = "{\"return\": {}}\n";
	int64_t id;

	bed->barrier[bed->barrier_len] = '\0';
	if (sscanf(bed->barrier,
		   "{\"execute\": \"guest-sync\", \"arguments\": "
		   "{\"id\": %" SCNd64 "}}",
		   &id) == 1)
		snprintf(text, sizeof(text), "{\"return\": %" PRId64 "}\n", id);
	bed_upstream(bed, text, strlen(text));
}

static void see(struct bed *bed, char byte)
{
	enum qga_token token = qga_scan_byte(&bed->scan, (uint8_t)byte);

	if (bed->barrier_len < sizeof(bed->barrier) - 1 && token != QGA_SPACE)
		bed->barrier[bed->barrier_len++] = byte;
	BED_CHECK(token != QGA_BAD);
	if (token == QGA_END) {
		BED_CHECK(bed->scan.command < QGA_FIRST_OWN);
		reply(bed);
	} else if (token == QGA_SENTINEL) {
		qga_scan_reset(&bed->scan);
		bed_upstream(bed, "{\"error\": {}}\n", 14);
	}
	if (token == QGA_END || token == QGA_SENTINEL)
		bed->barrier_len = 0;
}

void bed_answer(struct bed *bed)
{
	struct qga_buffer *in = &bed->qga->to_upstream;

	while (qga_buffer_count(in)) {
		size_t n = qga_buffer_count(in);
		char *data = malloc(n);

		BED_CHECK(data && !in->failed);
		memcpy(data, in->data + in->at, n);
		in->at = in->len = 0;
		for (size_t i = 0; i < n; i++)
			see(bed, data[i]);
		free(data);
		qga_run(bed->qga);
	}
}
