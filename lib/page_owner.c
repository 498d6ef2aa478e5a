// SPDX-License-Identifier: MIT
/*
 * One writer of a page at a time.
 *
 * A page stays odd if its writer dies in the middle, and somebody has to
 * repair it; but a writer that was only preempted there goes on later, and
 * two at once make what no reader can tell from a good page. So the owner is
 * known by what a recycled process id does not have, and taken for dead only
 * where /proc would show it if it were alive.
 *
 * References: [1] Linux Documentation/filesystems/proc.rst, /proc/PID/stat;
 * namespaces(7), "The /proc/pid/ns/ directory".
 */

#include <errno.h>

#include "clock_private.h"
#include "page_writer.h"

/*
 * The word that says who it is: process id, start time in clock ticks (1/100 s;
 * 46 hours until it repeats) and a tag of the namespaces, 0 if not known.
 * TAKING: it has the page, and does not write yet.
 */
#define PID_SHIFT   40
#define PID_BITS    24
#define START_SHIFT 16
#define START_MASK  0xffffffU
#define TAKING	    0x8000U
#define TAG_MASK    0x7fffU
#define TAG_PRIME   32749U

/* Fields of [1], counted from the state, the first behind the name. */
#define FIELD_THREADS 17
#define FIELD_START   19

/* Its beginning has all that is looked at. */
#define STAT_MAX 512

struct process {
	bool gone;
	uint64_t start_ticks; /* after boot */
};

uint32_t paraclock_page_process(const struct paraclock_env *env)
{
	return env->process_id ? env->process_id(env->ctx) : 1;
}

int paraclock_page_env(const struct paraclock_env **env)
{
	if (!*env)
		*env = paraclock_builtin_env;
	if (!*env)
		return -ENODEV;
	return (*env)->size < sizeof(**env) ? -EINVAL : 0;
}

static const char *skip_fields(const char *text, unsigned int n)
{
	while (*text && n) {
		if (*text++ == ' ')
			n--;
	}
	return text;
}

static uint64_t number(const char *text)
{
	uint64_t value = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	return value;
}

static void parse_stat(const char *text, struct process *ret_process)
{
	const char *rest = text;

	/* The name is whatever the process likes, brackets and all. */
	for (; *text; text++) {
		if (*text == ')')
			rest = text;
	}
	rest = skip_fields(rest, 1);
	/* A first thread that has ended is a zombie while others go on. */
	ret_process->gone = (*rest == 'Z' || *rest == 'X') &&
			    number(skip_fields(rest, FIELD_THREADS)) <= 1;
	ret_process->start_ticks = number(skip_fields(rest, FIELD_START));
}

/* -ENODEV: there is none; any other error: it cannot be known. */
static int look_up(const struct paraclock_env *env, uint32_t pid,
		   struct process *ret_process)
{
	char path[] = "/proc/0000000000/stat";
	char *end = path + sizeof("/proc/0000000000") - 1;
	char text[STAT_MAX];
	char *digit = end;
	size_t used;
	int ret;

	if (!env->read_text)
		return -EOPNOTSUPP;
	do {
		*--digit = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid);
	used = (size_t)(end - digit);
	for (size_t i = 0; i < used + sizeof("/stat"); i++)
		path[sizeof("/proc/") - 1 + i] = digit[i];
	ret = env->read_text(env->ctx, path, text, sizeof(text));
	if (ret < 0)
		return ret;
	parse_stat(text, ret_process);
	return ret_process->start_ticks || ret_process->gone ? 0 : -EIO;
}

/* The number in "pid:[4026531836]", which no two living namespaces share; 0: a
 * kernel without such namespaces. */
static uint64_t namespace_number(const struct paraclock_env *env,
				 const char *path)
{
	char text[32];
	const char *c = text;

	if (env->read_text(env->ctx, path, text, sizeof(text)) < 0)
		return 0;
	while (*c && *c++ != '[')
		;
	return number(c);
}

/*
 * Which PID namespace, and which time namespace: that shifts when processes
 * started. Also when the first process did, for a namespace's number is used
 * again; where it cannot be seen, others may be hidden as well: no tag.
 */
static uint64_t namespace_tag(const struct paraclock_env *env)
{
	struct process first;
	uint64_t tag;

	if (look_up(env, 1, &first))
		return 0;
	tag = namespace_number(env, "/proc/self/ns/pid") * 181;
	tag += namespace_number(env, "/proc/self/ns/time");
	return 1 + (tag * 181 + first.start_ticks) % TAG_PRIME;
}

static int identify(const struct paraclock_env *env, uint64_t *ret_self)
{
	uint32_t pid = paraclock_page_process(env);
	struct process self;
	uint64_t word;

	if (!pid || pid >> PID_BITS)
		return -EOPNOTSUPP;
	word = (uint64_t)pid << PID_SHIFT;
	if (!look_up(env, pid, &self))
		word |= (self.start_ticks & START_MASK) << START_SHIFT |
			namespace_tag(env);
	*ret_self = word;
	return 0;
}

static bool is_dead(const struct paraclock_env *env, uint64_t owner,
		    uint64_t self)
{
	struct process process;
	int ret;

	if (!(owner & TAG_MASK) || (owner & TAG_MASK) != (self & TAG_MASK))
		return false;
	ret = look_up(env, (uint32_t)(owner >> PID_SHIFT), &process);
	if (ret)
		return ret == -ENODEV;
	return process.gone || (process.start_ticks & START_MASK) !=
				       (owner >> START_SHIFT & START_MASK);
}

int paraclock_page_writer_take(struct paraclock_page_writer *writer,
			       const struct paraclock_env *env)
{
	struct page_writer_state *state = (void *)writer;
	uint64_t self, owner;
	int ret;

	if (!writer)
		return -EINVAL;
	ret = paraclock_page_env(&env);
	if (!ret && env->check_counter)
		ret = env->check_counter(env->ctx);
	if (!ret)
		ret = identify(env, &self);
	if (ret)
		return ret;
	owner = __atomic_load_n(&state->owner, __ATOMIC_RELAXED);
	if (owner &&
	    ((owner & ~(uint64_t)TAKING) == self || !is_dead(env, owner, self)))
		return -EBUSY;
	/* Acquire pairs with give()'s release, and sees what a dead one left:
	 * a kernel that lets its death be seen has ordered that. */
	if (!__atomic_compare_exchange_n(&state->owner, &owner, self | TAKING,
					 false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return -EBUSY;
	state->how = paraclock_counter_choose(env);
	__atomic_store_n(&state->busy, 0, __ATOMIC_RELAXED);
	/* Release pairs with enter(): all this is set for who may write. */
	__atomic_store_n(&state->owner, self, __ATOMIC_RELEASE);
	return 0;
}

int paraclock_page_writer_give(struct paraclock_page_writer *writer,
			       const struct paraclock_env *env)
{
	struct page_writer_state *state = (void *)writer;
	int ret;

	if (!writer)
		return -EINVAL;
	ret = paraclock_page_env(&env);
	if (!ret)
		ret = paraclock_page_enter(state, env);
	if (ret)
		return ret;
	/* busy stays taken: only who owns the page lets go of it. */
	__atomic_store_n(&state->owner, 0, __ATOMIC_RELEASE);
	return 0;
}

static bool is_owner(const struct page_writer_state *state, uint32_t pid)
{
	/* Acquire pairs with take(). */
	uint64_t owner = __atomic_load_n(&state->owner, __ATOMIC_ACQUIRE);

	return owner >> PID_SHIFT == pid && !(owner & TAKING);
}

int paraclock_page_enter(struct page_writer_state *state,
			 const struct paraclock_env *env)
{
	uint32_t pid = paraclock_page_process(env);
	uint32_t busy = 0;

	if (!is_owner(state, pid))
		return -EPERM;
	/* Acquire pairs with leave(). */
	if (!__atomic_compare_exchange_n(&state->busy, &busy, 1, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return -EBUSY;
	/* Another thread may have given it back, and another process taken it
	 * since, whose flag this is now. */
	if (is_owner(state, pid))
		return 0;
	paraclock_page_leave(state);
	return -EPERM;
}

void paraclock_page_leave(struct page_writer_state *state)
{
	__atomic_store_n(&state->busy, 0, __ATOMIC_RELEASE);
}
