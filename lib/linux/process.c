// SPDX-License-Identifier: MIT
/*
 * Which process this is, and whether another one still runs.
 *
 * /proc alone does not show that a process is gone: hidepid hides the processes
 * of other users, a container may have the /proc of another PID namespace, and
 * descriptors or memory may be short. kill(2) does, for its own namespace. If
 * /proc belongs to that namespace, it adds when a process started.
 *
 * References: [1] Linux Documentation/filesystems/proc.rst, /proc/PID/stat,
 * /proc/PID/status and hidepid; namespaces(7), "The /proc/pid/ns/ directory";
 * kill(2), ESRCH.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device.h"
#include "process.h"

/* Fields of [1], counted from the state, which is the first after the name. */
#define FIELD_THREADS 17
#define FIELD_START   19

/* Enough for the fields that matter; not for a status with some hundred groups,
 * and then nothing is known. */
#define STAT_MAX   512
#define STATUS_MAX 4096

/* What a process knows of itself. A fork zeroes it in the child. */
struct self {
	uint32_t process_id;
	uint32_t fork_id;
	uint32_t is_known; /* who is whole */
	uint64_t nonce;
	struct paraclock_process who;
};

/*
 * NULL: not supported (before Linux 4.14; under qemu-user, which accepts any
 * advice and follows none). If two threads come at once, the first one's page
 * is used.
 */
static struct self *wiped_by_fork(void)
{
	static struct self *page;
	struct self *mine, *first = NULL;

	/* Pairs with the exchange below. */
	mine = __atomic_load_n(&page, __ATOMIC_ACQUIRE);
	if (mine)
		return mine;
	mine = mmap(NULL, sizeof(*mine), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mine == MAP_FAILED)
		return NULL;
	if (madvise(mine, sizeof(*mine), MADV_WIPEONFORK) ||
	    !madvise(mine, sizeof(*mine), -1) ||
	    !__atomic_compare_exchange_n(&page, &first, mine, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		munmap(mine, sizeof(*mine));
		mine = first;
	}
	return mine;
}

/* Each update of a page asks for this, and a system call would be a third of
 * all its time. A child of vfork(), which shares its parent's memory, counts as
 * the parent. */
uint32_t pclk_linux_process_id(void *ctx)
{
	int saved = errno;
	struct self *self = wiped_by_fork();
	uint32_t id =
		self ? __atomic_load_n(&self->process_id, __ATOMIC_RELAXED) : 0;

	(void)ctx;
	if (!id) {
		id = (uint32_t)getpid();
		if (self)
			__atomic_store_n(&self->process_id, id,
					 __ATOMIC_RELAXED);
	}
	errno = saved;
	return id;
}

/*
 * How many forks deep this process is, or a little more: a child inherits the
 * counter, but not the number. Unlike a process id it does not repeat, as 1
 * does in each container.
 */
uint32_t pclk_linux_fork_id(void *ctx)
{
	static uint32_t last;
	int saved = errno;
	struct self *self = wiped_by_fork();
	uint32_t id = 0, none = 0;

	if (self)
		id = __atomic_load_n(&self->fork_id, __ATOMIC_RELAXED);
	errno = saved;
	if (!self)
		return pclk_linux_process_id(ctx);
	if (id)
		return id;
	id = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
	/* Another thread may have been faster. */
	if (!__atomic_compare_exchange_n(&self->fork_id, &none, id, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		id = none;
	return id;
}

/* --- /proc ---------------------------------------------------------------- */

static const char *skip_fields(const char *text, unsigned int n)
{
	while (*text && n) {
		if (*text++ == ' ')
			n--;
	}
	return text;
}

int pclk_parse_stat(const char *text, struct paraclock_process *ret_who)
{
	/* The name may hold anything, parentheses included. */
	const char *rest = strrchr(text, ')');
	uint64_t start;
	char state;

	if (!rest)
		return -EIO;
	rest = skip_fields(rest, 1);
	state = *rest;
	start = strtoull(skip_fields(rest, FIELD_START), NULL, 10);
	/* If the next field is there, the number is complete. */
	if (!start || !*skip_fields(rest, FIELD_START + 1))
		return -EIO;
	ret_who->start = start;
	/* A first thread that has ended is a zombie while other threads run. */
	ret_who->has_ended =
		(state == 'Z' || state == 'X') &&
		strtoul(skip_fields(rest, FIELD_THREADS), NULL, 10) <= 1;
	return 0;
}

int pclk_parse_status(const char *text, uint32_t self)
{
	/* The ids from the namespace of this /proc down to the process's own: a
	 * single id means that both are the same. */
	const char *line = strstr(text, "\nNSpid:");
	unsigned long id;
	char *end;

	if (!line)
		return -EXDEV;
	id = strtoul(line + sizeof("\nNSpid:") - 1, &end, 10);
	return id == self && *end == '\n' ? 0 : -EXDEV;
}

/* As pclk_linux_read_text(), but with the exact error. */
static int read_file(const char *path, char *buf, size_t size)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
			      O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	ssize_t got;
	int error;

	if (fd < 0)
		return -errno;
	do
		got = syscall(SYS_read, fd, buf, size - 1);
	while (got < 0 && errno == EINTR);
	error = errno;
	(void)syscall(SYS_close, fd);
	if (got < 0)
		return -error;
	buf[got] = '\0';
	return 0;
}

/* The number in "pid:[4026531836]", which no two living namespaces share; 0:
 * this kernel has no such namespaces. */
static int namespace_number(const char *path, uint64_t *ret_number)
{
	char text[64];
	ssize_t got = readlink(path, text, sizeof(text) - 1);
	const char *number;

	*ret_number = 0;
	if (got < 0)
		return errno == ENOENT ? 0 : -errno;
	text[got] = '\0';
	number = strchr(text, '[');
	if (number)
		*ret_number = strtoull(number + 1, NULL, 10);
	return *ret_number ? 0 : -EIO;
}

/* A hash of the boot id, which is random digits and hyphens. */
static int boot_number(uint64_t *ret_number)
{
	char text[64];
	int ret = read_file("/proc/sys/kernel/random/boot_id", text,
			    sizeof(text));

	*ret_number = 0;
	for (const char *c = text; !ret && *c && *c != '\n'; c++)
		*ret_number = *ret_number * 1099511628211U ^ (unsigned char)*c;
	return ret || *ret_number ? ret : -EIO;
}

static int look_up(struct paraclock_process *who, bool as_thread)
{
	char path[64], text[STAT_MAX];
	unsigned int id = who->id;
	int ret;

	if (as_thread)
		(void)snprintf(path, sizeof(path), "/proc/%u/task/%u/stat", id,
			       id);
	else
		(void)snprintf(path, sizeof(path), "/proc/%u/stat", id);
	ret = read_file(path, text, sizeof(text));
	return ret ? ret : pclk_parse_stat(text, who);
}

/* The time namespace counts, too: it shifts the start times of processes. */
static int read_self(struct paraclock_process *who)
{
	uint64_t pids, times = 0;
	char text[STATUS_MAX];
	int ret = read_file("/proc/self/status", text, sizeof(text));

	if (!ret)
		ret = pclk_parse_status(text, who->id);
	if (!ret)
		ret = namespace_number("/proc/self/ns/pid", &pids);
	if (!ret)
		ret = namespace_number("/proc/self/ns/time", &times);
	if (!ret)
		ret = boot_number(&who->machine);
	if (!ret)
		/* The file that others read: qemu-user makes up
		 * /proc/self/stat. */
		ret = look_up(who, true);
	/* Each number has 32 bits. */
	if (!ret)
		who->space = pids | times << 32;
	return ret;
}

/* Is something short now that may be there the next time? */
static bool is_short(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM ||
	       error == -EAGAIN;
}

/* If /proc does not tell: a number that no other process has, so that none is
 * mistaken for this one. Nobody will be able to know that it is dead. */
static int name_self(struct self *self, struct paraclock_process *who)
{
	uint64_t nonce, none = 0;

	if (getrandom(&nonce, sizeof(nonce), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(nonce))
		return -EAGAIN;
	nonce |= (uint64_t)1 << 63;
	if (!__atomic_compare_exchange_n(&self->nonce, &none, nonce, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		nonce = none;
	who->start = nonce;
	who->machine = 0;
	who->space = 0;
	return 0;
}

/* --- who ------------------------------------------------------------------ */

static void recall(const struct self *self, struct paraclock_process *ret_who)
{
	const struct paraclock_process *who = &self->who;

	*ret_who = (struct paraclock_process){
		.start = __atomic_load_n(&who->start, __ATOMIC_RELAXED),
		.space = __atomic_load_n(&who->space, __ATOMIC_RELAXED),
		.machine = __atomic_load_n(&who->machine, __ATOMIC_RELAXED),
		.id = __atomic_load_n(&who->id, __ATOMIC_RELAXED),
	};
}

/* Threads that get here at once write the same words. */
static void keep(struct self *self, const struct paraclock_process *who)
{
	struct paraclock_process *kept = &self->who;

	__atomic_store_n(&kept->start, who->start, __ATOMIC_RELAXED);
	__atomic_store_n(&kept->space, who->space, __ATOMIC_RELAXED);
	__atomic_store_n(&kept->machine, who->machine, __ATOMIC_RELAXED);
	__atomic_store_n(&kept->id, who->id, __ATOMIC_RELAXED);
	__atomic_store_n(&self->is_known, 1, __ATOMIC_RELEASE);
}

static int identify_self(struct paraclock_process *ret_who)
{
	struct self *self = wiped_by_fork();
	struct paraclock_process who = { .id = pclk_linux_process_id(NULL) };
	int ret;

	/* Pairs with the release in keep(). */
	if (self && __atomic_load_n(&self->is_known, __ATOMIC_ACQUIRE)) {
		recall(self, ret_who);
		return 0;
	}
	ret = read_self(&who);
	if (is_short(ret))
		return -ENOMEM;
	if (ret && self)
		ret = name_self(self, &who);
	if (ret)
		return self ? ret : -EOPNOTSUPP;
	if (self)
		keep(self, &who);
	*ret_who = who;
	return 0;
}

static int identify_other(uint32_t id, struct paraclock_process *ret_who)
{
	struct paraclock_process self, who = { .id = id };
	int ret;

	if (id > INT32_MAX)
		return -ESRCH;
	if (kill((pid_t)id, 0) && errno == ESRCH)
		return -ESRCH;
	ret = identify_self(&self);
	if (ret)
		return ret;
	/* It runs, but cannot be looked at. */
	if (!self.space || look_up(&who, false))
		return -EACCES;
	who.space = self.space;
	who.machine = self.machine;
	*ret_who = who;
	return 0;
}

int pclk_linux_identify(void *ctx, uint32_t id,
			struct paraclock_process *ret_who)
{
	int saved = errno;
	bool is_other = id && id != pclk_linux_process_id(NULL);
	int ret =
		is_other ? identify_other(id, ret_who) : identify_self(ret_who);

	(void)ctx;
	errno = saved;
	return ret;
}
