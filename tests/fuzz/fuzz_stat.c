// SPDX-License-Identifier: MIT
/*
 * /proc/PID/stat and the other proofs of who owns a page's writer, of any
 * bytes, lengths and errors: two processes never write one page unless the
 * first was shown to be dead.
 */

#include "fuzz_host.h"

#define PATHS	 4
#define TEXT_MAX 96

static const int errors[] = { EBUSY, EPERM, EINVAL, EOPNOTSUPP, 0 };

/* How the machine shows one process; the text may have any bytes in it. */
struct shown {
	char text[TEXT_MAX];
	size_t size;
	int error;     /* negative; 0: text */
	int64_t claim; /* returned length; -1: the right one */
	bool lives;    /* a running process, shown correctly */
};

struct state {
	struct fuzz_world world;
	struct paraclock_page_writer writer;
	struct shown stat[PATHS];  /* of processes 1, 2, 3; others */
	struct shown space[PATHS]; /* of the namespaces of each */
	/* What process 2 or 3 was when it became the owner. */
	struct shown was[PATHS];
};

static unsigned int number_in(const char *path)
{
	unsigned int n = 0;

	while (*path && (*path < '0' || *path > '9'))
		path++;
	while (*path >= '0' && *path <= '9')
		n = n * 10 + (unsigned int)(*path++ - '0');
	return n;
}

static int read_text(void *ctx, const char *path, char *buf, size_t size)
{
	struct fuzz_world *world = ctx;
	const struct state *s = world->arg;
	unsigned int pid = number_in(path);
	const struct shown *shown;
	size_t n;

	CHECK(size && strnlen(path, 64) < 64);
	if (strncmp(path, "/proc/self/ns/", 14) == 0)
		shown = &s->space[world->process & 3];
	else
		shown = &s->stat[pid < PATHS ? pid : 0];
	if (shown->error)
		return shown->error;
	n = shown->size < size - 1 ? shown->size : size - 1;
	memcpy(buf, shown->text, n);
	buf[n] = '\0';
	return shown->claim < 0 ? (int)n : (int)shown->claim;
}

/* --- how a process is shown ----------------------------------------------- */

static void show_good(struct shown *shown, unsigned int pid, char state,
		      unsigned int threads, uint64_t start)
{
	*shown = (struct shown){ .claim = -1 };
	shown->size = (size_t)snprintf(
		shown->text, TEXT_MAX,
		"%u (a) %c) %c 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 %u 0 "
		"%llu 5",
		pid, state, state, threads, (unsigned long long)start);
	shown->lives = state == 'S';
}

static void show_any(struct fuzz_world *world, struct shown *shown)
{
	static const int answers[] = { -ENODEV, -ENOENT, -ESRCH,  -EACCES,
				       -EPERM,	-ENOMEM, -EMFILE, -EIO };
	uint8_t act = (uint8_t)fuzz_take(world, 1);

	*shown = (struct shown){ .claim = -1 };
	if (act < 96) {
		shown->error = answers[act & 7];
		return;
	}
	shown->size = fuzz_take(world, 1) % TEXT_MAX;
	for (size_t i = 0; i < shown->size; i++)
		shown->text[i] = (char)fuzz_take(world, 1);
	/* An env that returns more than it gave. */
	if (act > 240)
		shown->claim = (int64_t)fuzz_take(world, 2);
}

static void change(struct state *s, unsigned int pid)
{
	struct fuzz_world *world = &s->world;
	uint8_t act = (uint8_t)fuzz_take(world, 1);

	if (act < 32)
		show_good(&s->stat[pid], pid, act & 1 ? 'Z' : 'S',
			  1 + (act >> 1 & 1), 1000 + (act >> 2));
	else if (act < 64)
		show_any(world, &s->stat[pid]);
	else if (act < 80)
		show_any(world, &s->space[pid]);
	else
		show_good(&s->space[pid], 4026531836, 'S', 1, 1);
}

/* --- who writes ----------------------------------------------------------- */

static bool can_write(struct state *s, uint32_t pid)
{
	uint64_t page[4] = { 0 };
	struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.base_tsc = 1,
		.period_frac = 1ULL << 63,
		.period_shift = 30,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
	};
	int ret;

	s->world.process = pid;
	ret = paraclock_pvclock_write(page, &s->writer, &s->world.env, &tl);
	CHECK(ret == 0 || ret == -EPERM);
	return !ret;
}

/* Does the machine's answer about an owner leave open whether it is gone? */
static bool may_live(const struct state *s, uint32_t pid)
{
	const struct shown *is = &s->stat[pid], *was = &s->was[pid];

	if (is->error)
		return is->error != -ENODEV && is->error != -ENOENT &&
		       is->error != -ESRCH;
	return is->lives && was->lives && is->size == was->size &&
	       memcmp(is->text, was->text, is->size) == 0;
}

static void take(struct state *s, uint32_t pid)
{
	uint32_t other = pid == 2 ? 3 : 2;
	bool owned = can_write(s, other), mine = can_write(s, pid);
	int ret;

	CHECK(!owned || !mine);
	s->world.process = pid;
	ret = paraclock_page_writer_acquire(&s->writer, &s->world.env);
	fuzz_check_error(ret, errors);
	if (ret)
		return;
	CHECK(!owned || !may_live(s, other));
	/* Another process with its number. */
	CHECK(!mine || !may_live(s, pid));
	CHECK(can_write(s, pid) && !can_write(s, other));
	s->was[pid] = s->stat[pid];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state s;

	memset(&s, 0, sizeof(s));
	fuzz_world_init(&s.world, data, size);
	s.world.counter = 1ULL << 32;
	s.world.env.read_text = read_text;
	s.world.arg = &s;
	for (unsigned int pid = 0; pid < PATHS; pid++) {
		show_good(&s.stat[pid], pid, 'S', 1, 100 + pid);
		show_good(&s.space[pid], 4026531836, 'S', 1, 1);
	}
	while (s.world.size) {
		uint8_t act = (uint8_t)fuzz_take(&s.world, 1);
		uint32_t pid = 2 + (act & 1);

		if (act < 128) {
			take(&s, pid);
		} else if (act < 160) {
			s.world.process = pid;
			fuzz_check_error(paraclock_page_writer_release(
						 &s.writer, &s.world.env),
					 errors);
		} else {
			change(&s, 1 + act % 3);
		}
	}
	return 0;
}
