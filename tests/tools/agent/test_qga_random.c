// SPDX-License-Identifier: MIT
/*
 * Random and mutated lines: none crashes the agent, none sets the clock to a
 * time that it does not state, no command of ours reaches the upstream, and no
 * memory is kept. PARACLOCK_AGENT_LINES is how many; PARACLOCK_AGENT_SEED picks
 * others.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "qga_bed.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define LINE_MAX     2048
#define BUFFER_MAX   ((size_t)4 * QGA_OUTPUT_FULL)

static const char *const seeds[] = {
	"{\"execute\":\"guest-ping\"}\n",
	"{\"execute\":\"guest-get-time\"}\n",
	"{\"execute\":\"guest-set-time\"}\n",
	"{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":-5}}\n",
	"{\"execute\":\"guest-set-time\",\"arguments\":"
	"{\"time\":1700000000000000000}}\n",
	"{\"execute\":\"guest-set-time\",\"arguments\":"
	"{\"time\":9223372036854775808}}\n",
	"{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":1.5e9}}\n",
	"{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":\"1\"}}\n",
	"{\"arguments\":{\"time\":[1]},\"execute\":\"guest-set-time\","
	"\"id\":{\"a\":null}}\n",
	"{\"execute\":\"guest-paraclock-status\",\"id\":7}\n",
	"{\"execute\":\"guest-info\"}\n",
	"\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":9}}\n",
	"{\"execute\":\"guest-sync\",\"arguments\":{\"id\":1001}}\n",
	"{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/bin/true\","
	"\"arg\":[\"\\u00e4\\\"\",\"'\"],\"capture-output\":true}}\n",
	"{'execute':'guest-set-time','arguments':{'time':3}}\n",
	"{\"a\":01,{\"execute\":\"guest-set-time\",\"arguments\":"
	"{\"time\":4}}}\n",
	"[[[[[[[[[[{}]]]]]]]]]]\n",
	"\"\\ud800\" 1e999 nul @@ \x01\xc3(\n",
};

/* Blocks of jansson: all that is allocated for each request. */
static size_t live;

static void *count_malloc(size_t size)
{
	live++;
	return malloc(size);
}

static void count_free(void *pointer)
{
	live -= pointer != NULL;
	free(pointer);
}

static uint64_t state;

/* xorshift64*: the same on every machine. */
static uint64_t draw(uint64_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * UINT64_C(0x2545f4914f6cdd1d) >> 33) % below;
}

struct line {
	char text[LINE_MAX];
	size_t len;
};

static void insert(struct line *line, size_t at, const char *text, size_t size)
{
	if (line->len + size > LINE_MAX)
		return;
	memmove(line->text + at + size, line->text + at, line->len - at);
	memcpy(line->text + at, text, size);
	line->len += size;
}

static void mutate(struct line *line)
{
	static const char odd[] = "{}[]:,\"'\\\n\xff\xfe\0ue0-.1+ \t%@";
	size_t at = draw(line->len + 1), n = draw(line->len - at + 1);
	const char *seed = seeds[draw(ARRAY_LEN(seeds))];
	char byte = (char)draw(256);

	switch (draw(7)) {
	case 0:
		insert(line, at, &odd[draw(sizeof(odd) - 1)], 1);
		return;
	case 1:
		insert(line, at, &byte, 1);
		return;
	case 2:
		if (at < line->len)
			line->text[at] =
				(char)((uint8_t)line->text[at] ^ 1U << draw(8));
		return;
	case 3:
		memmove(line->text + at, line->text + at + n,
			line->len - at - n);
		line->len -= n;
		return;
	case 4:
		insert(line, at, line->text + at, n < 64 ? n : 64);
		return;
	case 5:
		insert(line, at, seed, strlen(seed));
		return;
	default:
		line->len = at;
		return;
	}
}

static void make_line(struct line *line)
{
	const char *seed = seeds[draw(ARRAY_LEN(seeds))];

	line->len = 0;
	/* Mostly lines stand alone, as a careful host would have it. */
	if (draw(8))
		insert(line, 0, "\xff", 1);
	if (draw(20) == 0) {
		for (size_t n = draw(200); n; n--) {
			char byte = (char)draw(256);

			insert(line, line->len, &byte, 1);
		}
		return;
	}
	insert(line, line->len, seed, strlen(seed));
	for (uint64_t n = draw(5); n; n--)
		mutate(line);
}

/* The last lines, in which a time that is set has to stand. */
static struct line recent[64];

static bool is_stated(int64_t ns)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, ns);
	for (size_t i = 0; i < ARRAY_LEN(recent); i++) {
		if (memmem(recent[i].text, recent[i].len, digits,
			   strlen(digits)))
			return true;
	}
	return false;
}

static void give(struct bed *bed, const struct line *line)
{
	size_t done = 0;

	while (done < line->len) {
		done += bed_host(bed, line->text + done, line->len - done,
				 1 + draw(64));
		bed_answer(bed);
		bed_drop_output(bed);
	}
}

static void disturb(struct bed *bed)
{
	switch (draw(40)) {
	case 0:
		bed_away(bed);
		return;
	case 1:
	case 2:
		bed_connect(bed);
		bed_answer(bed);
		return;
	case 3:
		qga_host_gone(bed->qga);
		bed_answer(bed);
		return;
	default:
		bed->now_ns += 20000000;
		return;
	}
}

static void check_random(uint64_t lines, bool upstream)
{
	struct bed bed;
	unsigned int sets = 0;

	bed_open(&bed, upstream);
	for (uint64_t i = 0; i < lines; i++) {
		struct line *line = &recent[i % ARRAY_LEN(recent)];

		if (upstream)
			disturb(&bed);
		bed.now_ns += 20000000;
		make_line(line);
		give(&bed, line);
		if (bed.sets > sets)
			assert_true(is_stated(bed.last_set_ns));
		sets = bed.sets;
		assert_int_equal(live, 0);
		assert_true(bed.qga->to_host.size <= BUFFER_MAX);
		assert_true(bed.qga->to_upstream.size <= BUFFER_MAX);
	}
	print_message("%" PRIu64 " lines: set %u times by a stated time, "
		      "%u times by the host clock\n",
		      lines, bed.sets, bed.sets_from_host);
	/* The seeds hold two that are right. */
	assert_true(bed.sets > 0 && bed.sets_from_host > 0);
	bed_close(&bed);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void check(void **unused)
{
	uint64_t lines = from_environment("PARACLOCK_AGENT_LINES", 20000);

	(void)unused;
	state = from_environment("PARACLOCK_AGENT_SEED", 1) *
			UINT64_C(0x9e3779b97f4a7c15) |
		1;
	check_random(lines / 2, false);
	check_random(lines - lines / 2, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(check) };

	json_set_alloc_funcs(count_malloc, count_free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
