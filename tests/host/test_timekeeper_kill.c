// SPDX-License-Identifier: MIT
/*
 * Writers of a timekeeper in shared memory that are killed at any moment, each
 * followed by the next, and readers in other processes.
 */

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "timekeeper_model.h"

/* More by PARACLOCK_LIVE_KILLS. */
#define KILLS 100

struct shared {
	struct paraclock_timekeeper tk;
	struct model model;
	struct model_pace pace;
	/* Of the reader's process. */
	struct model_counts n;
	uint32_t stop;
	/* Of the writers'. */
	uint64_t updates, migrations;
	int error;
};

struct kill_case {
	const char *name;
	uint32_t flags;
	uint64_t migrate; /* once in so many updates; 0: never */
};

static struct shared *shared;
/* In the readers' form: at another address, and read-only. */
static const struct paraclock_timekeeper *read_only;

/* Where the writers died. */
static struct deaths {
	unsigned int taken;  /* as the writer, */
	unsigned int inside; /* in a call that changes something, */
	unsigned int cut;    /* with t_end cut for a change, */
	unsigned int frozen; /* or frozen. */
} deaths;

static unsigned int kills(void)
{
	const char *text = getenv("PARACLOCK_LIVE_KILLS");

	return text ? (unsigned int)strtoul(text, NULL, 0) : KILLS;
}

static _Noreturn void be_the_writer(const struct kill_case *c)
{
	struct model model = shared->model;
	int ret = paraclock_timekeeper_acquire(&shared->tk, NULL, NULL);
	/* The next writer must set anew what a writer left frozen. */
	bool migrate = c->migrate != 0;

	model.seed ^= (uint64_t)getpid() << 20 | 1;
	for (uint64_t i = 1; !ret || ret == -ESTALE; i++) {
		if (migrate) {
			ret = model_migrate(&model, &shared->tk);
			shared->migrations++;
		} else {
			ret = model_update(&model, &shared->tk);
		}
		__atomic_fetch_add(&shared->updates, 1, __ATOMIC_RELEASE);
		/* Preempted for the whole lease: it is still frozen. */
		migrate =
			c->migrate && (i % c->migrate == 0 || (migrate && ret));
	}
	shared->error = ret;
	_exit(1);
}

static _Noreturn void be_the_reader(void)
{
	/* This ends if a check fails. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	do {
		model_read(&shared->model, &shared->n, read_only);
		/* It, the writer and the parent may share one CPU. */
		if (shared->n.reads % 64 == 0)
			sched_yield();
	} while (!shared->n.valid ||
		 !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED));
	_exit(0);
}

static void map_both(void)
{
	FILE *file = tmpfile();
	void *writable, *readable;

	assert_non_null(file);
	assert_int_equal(ftruncate(fileno(file), sizeof(*shared)), 0);
	writable = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			MAP_SHARED, fileno(file), 0);
	readable = mmap(NULL, sizeof(*shared), PROT_READ, MAP_SHARED,
			fileno(file), 0);
	assert_ptr_not_equal(writable, MAP_FAILED);
	assert_ptr_not_equal(readable, MAP_FAILED);
	fclose(file);
	shared = writable;
	read_only = &((const struct shared *)readable)->tk;
}

static void note_death(pid_t writer)
{
	const struct tk *tk = (const void *)&shared->tk;
	const struct tk_slot *slot = &tk->slot[tk->state & 1];
	const struct page_writer_state *owner = (const void *)&tk->writer;

	/* Its process id is the first part; before that it has not begun. */
	if (owner->owner >> 40 != (uint64_t)writer)
		return;
	deaths.taken++;
	deaths.inside += owner->busy;
	deaths.cut += slot->mode == TK_RUNNING && slot->t_end < slot->t_lease;
	deaths.frozen += slot->mode == TK_FROZEN;
}

static void wait_for_update(pid_t writer, uint64_t before,
			    struct model_counts *n)
{
	while (__atomic_load_n(&shared->updates, __ATOMIC_ACQUIRE) == before) {
		assert_int_equal(waitpid(writer, NULL, WNOHANG), 0);
		model_read(&shared->model, n, read_only);
		sched_yield();
	}
}

static void kill_one(const struct kill_case *c, struct model_counts *n)
{
	uint64_t before = __atomic_load_n(&shared->updates, __ATOMIC_ACQUIRE);
	pid_t writer = fork();
	uint64_t until;

	assert_true(writer >= 0);
	if (writer == 0)
		be_the_writer(c);
	/* Once in a while at any time, otherwise in the middle of a call. */
	if (model_dice(&shared->model) % 16)
		wait_for_update(writer, before, n);
	/* Up to 0.1 ms at 2 ticks a ns. */
	until = counter_fenced() + model_dice(&shared->model) % 200000;
	while (counter_fenced() < until)
		model_read(&shared->model, n, read_only);
	assert_int_equal(kill(writer, SIGKILL), 0);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	note_death(writer);
	model_read(&shared->model, n, read_only);
}

static void next_writer_goes_on(const struct kill_case *c)
{
	struct paraclock_sample s;
	struct model model = shared->model;
	int ret;

	assert_int_equal(paraclock_timekeeper_acquire(&shared->tk, NULL, NULL),
			 0);
	do {
		ret = c->migrate ? model_migrate(&model, &shared->tk)
				 : model_update(&model, &shared->tk);
		assert_true(!ret || ret == -ESTALE);
		/* Either may be preempted for a whole lease. */
		if (!ret)
			ret = paraclock_timekeeper_read(read_only, NULL, &s);
		assert_true(!ret || ret == -ESTALE || ret == -EAGAIN);
	} while (ret);
	assert_int_equal(s.valid, 1);
	assert_int_equal(paraclock_timekeeper_release(&shared->tk, NULL), 0);
}

static void writers_are_killed(void **state)
{
	const struct kill_case *c = *state;
	struct model_counts here = { 0 };
	pid_t reader;
	int status;

	memset(shared, 0, sizeof(*shared));
	deaths = (struct deaths){ 0 };
	shared->model = (struct model){
		.first = counter_fenced(),
		.seed = 88172645463325252U,
		.flags = c->flags,
		.pace = &shared->pace,
	};
	shared->pace.last = shared->model.first;
	next_writer_goes_on(c);
	reader = fork();
	assert_true(reader >= 0);
	if (reader == 0)
		be_the_reader();
	for (unsigned int i = 0; i < kills(); i++)
		kill_one(c, &here);
	next_writer_goes_on(c);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	print_message("%u writers killed: %llu updates, %llu migrations; %u "
		      "as the writer, %u in a change, %u with t_end cut, %u "
		      "frozen\n",
		      kills(), (unsigned long long)shared->updates,
		      (unsigned long long)shared->migrations, deaths.taken,
		      deaths.inside, deaths.cut, deaths.frozen);
	model_report("here", &here);
	model_report("another process", &shared->n);
	assert_int_equal(shared->error, 0);
	model_assert(&here);
	model_assert(&shared->n);
}

static struct kill_case kill_cases[] = {
	{ "killed in changes, readers never go back",
	  PARACLOCK_TIMELINE_MONOTONIC, 0 },
	{ "killed in changes and migrations", 0, 3 },
};

int main(void)
{
	map_both();
	ADD_ROWS(kill_cases, writers_are_killed);
	return run_suite(NULL, NULL);
}
