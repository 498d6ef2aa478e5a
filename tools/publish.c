// SPDX-License-Identifier: MIT
/* The pages of simulated VMs, as files that any program can read. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "publish.h"

/* A guest maps it, so it cannot begin in the middle of a page of its own. */
#define ALIGN 4096U

#define VMCLOCK_MAGIC 0x4b4c4356U

/* The sequence: which 32-bit word of the page. */
static const uint8_t sequence_at[] = {
	[PARACLOCK_SIM_PVCLOCK] = 0,
	[PARACLOCK_SIM_HYPERV] = 0,
	[PARACLOCK_SIM_VMCLOCK] = 3,
};

static const char *const kind_name[] = {
	[PARACLOCK_SIM_PVCLOCK] = "pvclock",
	[PARACLOCK_SIM_HYPERV] = "hyperv",
	[PARACLOCK_SIM_VMCLOCK] = "vmclock",
};

static int complain(const char *path, const char *what)
{
	warnx("%s: %s", path, what);
	return -EIO;
}

/* --- one page -------------------------------------------------------------
 */

/* From here on no reader takes what it copies for the page. */
static void close_page(const struct published *p)
{
	uint32_t *seq = (uint32_t *)p->live + sequence_at[p->kind];
	uint32_t was = __atomic_load_n(seq, __ATOMIC_RELAXED);

	__atomic_store_n(seq, p->kind == PARACLOCK_SIM_HYPERV ? 0 : was | 1,
			 __ATOMIC_RELAXED);
	/* Pairs with the acquire fence of readers before they look at the
	 * sequence again. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void show(const struct published *p)
{
	unsigned int seq = sequence_at[p->kind];
	const uint64_t *from = p->page;
	const uint32_t *from32 = p->page;
	uint64_t *to = p->live;
	uint32_t *to32 = p->live;

	if (memcmp(p->page, p->live, p->size) == 0)
		return;
	close_page(p);
	/* Whole words: a marker is looked at without the sequence. */
	for (size_t i = 0; i < p->size / sizeof(*to); i++) {
		if (i != seq / 2)
			__atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
	}
	__atomic_store_n(&to32[seq ^ 1], from32[seq ^ 1], __ATOMIC_RELAXED);
	/* Pairs with the readers' acquire load of it. */
	__atomic_store_n(&to32[seq], from32[seq], __ATOMIC_RELEASE);
}

static int map_page(struct published *p, const char *path, uint64_t at,
		    uint64_t align)
{
	uint64_t skip = at % align;

	p->map_size = p->size + skip;
	p->map = mmap(NULL, p->map_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      p->fd, (off_t)(at - skip));
	if (p->map == MAP_FAILED)
		return complain(path, strerror(errno));
	p->live = (char *)p->map + skip;
	return 0;
}

/* --- files ----------------------------------------------------------------
 */

static int open_regular(const char *path, int flags, struct stat *ret_stat)
{
	int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return complain(path, strerror(errno));
	if (fstat(fd, ret_stat) || !S_ISREG(ret_stat->st_mode)) {
		close(fd);
		return complain(path, "not a regular file");
	}
	return fd;
}

/* Who writes there alone, and never into a hole: on a full disk the store would
 * end this process, with all its other pages as they are. */
static int claim(const struct published *p, const char *path, uint64_t at)
{
	int error;

	if (flock(p->fd, LOCK_EX | LOCK_NB))
		return complain(path, "another process publishes there");
	do
		error = posix_fallocate(p->fd, (off_t)at, (off_t)p->size);
	while (error == EINTR);
	return error ? complain(path, strerror(error)) : 0;
}

/* A file of its own keeps its size for as long as it is there: who has mapped
 * it does not fault. */
static int open_own(struct published *p, const char *path)
{
	struct stat stat;
	int ret;

	p->fd = open_regular(path, O_CREAT, &stat);
	if (p->fd < 0)
		return p->fd;
	if (stat.st_size && (size_t)stat.st_size != p->size)
		return complain(path, "is there, and is no page; take another "
				      "directory, or remove it");
	ret = claim(p, path, 0);
	return ret ? ret : map_page(p, path, 0, ALIGN);
}

static bool is_free(const struct published *p)
{
	const unsigned char *byte = p->live;
	const uint32_t *magic = p->live;

	if (*magic == VMCLOCK_MAGIC)
		return true;
	for (size_t i = 0; i < p->size; i++) {
		if (byte[i])
			return false;
	}
	return true;
}

/* Into another one's file, which neither grows nor shrinks. */
static int open_into(struct published *p, const struct publisher *pub)
{
	struct stat stat;
	uint64_t size;
	int ret;

	p->fd = open_regular(pub->into, 0, &stat);
	if (p->fd < 0)
		return p->fd;
	size = (uint64_t)stat.st_size;
	if (size < p->size || pub->at > size - p->size)
		return complain(pub->into, "--at is beyond its end");
	ret = claim(p, pub->into, pub->at);
	if (ret)
		return ret;
	/* A file of huge pages is mapped from one of these on. */
	ret = map_page(p, pub->into, pub->at,
		       stat.st_blksize > (blksize_t)ALIGN
			       ? (uint64_t)stat.st_blksize
			       : ALIGN);
	if (ret)
		return ret;
	return is_free(p) ? 0
			  : complain(pub->into, "there is something else at "
						"--at; zero it first");
}

static void drop_page(const struct published *p)
{
	if (p->live)
		munmap(p->map, p->map_size);
	if (p->fd >= 0)
		close(p->fd);
}

static int open_page(struct published *p, const struct publisher *pub,
		     const char *name)
{
	char path[PATH_MAX];

	if (!name)
		return open_into(p, pub);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", pub->dir, name) >=
	    sizeof(path))
		return complain(pub->dir, "too long a name");
	return open_own(p, path);
}

static int add_page(struct publisher *pub, const struct published *like,
		    const char *name)
{
	struct published *page =
		realloc(pub->page, (pub->pages + 1) * sizeof(*page));
	int ret;

	if (!page) {
		warnx("no memory");
		return -EIO;
	}
	pub->page = page;
	page += pub->pages;
	*page = *like;
	ret = open_page(page, pub, name);
	/* Nothing is written where a page could not be. */
	if (ret)
		drop_page(page);
	else
		pub->pages++;
	return ret;
}

static int add_kind(struct publisher *pub, const char *vm_name,
		    struct paraclock_sim_vm *vm, unsigned int kind)
{
	struct published p = { .kind = kind, .fd = -1 };
	char name[64];
	int ret = 0;

	for (unsigned int vcpu = 0; !ret; vcpu++) {
		p.page = paraclock_sim_page(vm, kind, vcpu, &p.size);
		if (!p.page || (vcpu && kind != PARACLOCK_SIM_PVCLOCK))
			break;
		if (kind == PARACLOCK_SIM_PVCLOCK)
			snprintf(name, sizeof(name), "%s.pvclock.%u", vm_name,
				 vcpu);
		else
			snprintf(name, sizeof(name), "%s.%s", vm_name,
				 kind_name[kind]);
		ret = add_page(pub, &p, name);
	}
	return ret;
}

static int add_vm(struct publisher *pub, const char *name,
		  struct paraclock_sim_vm *vm)
{
	struct published p = { .kind = PARACLOCK_SIM_VMCLOCK, .fd = -1 };
	int ret = 0;

	for (unsigned int kind = 0;
	     pub->dir && !ret && kind <= PARACLOCK_SIM_VMCLOCK; kind++)
		ret = add_kind(pub, name, vm, kind);
	if (ret || !pub->into || pub->vms)
		return ret;
	p.page = paraclock_sim_page(vm, p.kind, 0, &p.size);
	if (!p.page)
		return complain(pub->into, "the script's first VM has no "
					   "vmclock to publish there");
	return add_page(pub, &p, NULL);
}

/* Once: what failed has been complained of, and its files may be held by this
 * process itself. */
static int add_new(struct publisher *pub, const struct paraclock_sim_play *play)
{
	struct paraclock_sim_vm *vm;
	const char *name;

	while (!pub->error &&
	       (name = paraclock_sim_play_vm(play, pub->vms, &vm))) {
		pub->error = add_vm(pub, name, vm);
		pub->vms++;
	}
	return pub->error;
}

int publish(struct publisher *pub, const struct paraclock_sim_play *play)
{
	int ret = pub->dir || pub->into ? add_new(pub, play) : 0;

	/* Those that are there in any case: the last ones say that nobody is
	 * to believe them. */
	for (unsigned int i = 0; i < pub->pages; i++)
		show(&pub->page[i]);
	return ret;
}

void publish_end(struct publisher *pub, bool off)
{
	for (unsigned int i = 0; i < pub->pages; i++) {
		const struct published *p = &pub->page[i];

		if (off && p->kind == PARACLOCK_SIM_HYPERV)
			close_page(p);
		drop_page(p);
	}
	free(pub->page);
	pub->page = NULL;
	pub->pages = 0;
}
