// SPDX-License-Identifier: MIT
/* The pages of simulated VMs, as files that any program can read. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "publish.h"

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

/*
 * By the kernel's hand, not by stores to a mapping: somebody may truncate the
 * file, and a store past its end would be a SIGBUS. Each call is ordered after
 * the one before. It may be seen byte by byte: what is torn so is a sequence or
 * a marker that is none of before, which readers take for a change that came
 * the sooner.
 */
static int put(const struct published *p, size_t offset, size_t n)
{
	const char *from = (const char *)p->shown + offset;
	ssize_t wrote;

	if (!p->map) {
		wrote = pwrite(p->fd, from, n, (off_t)(p->at + offset));
	} else {
		/* A page fits a pipe, and EFAULT is no signal. */
		wrote = write(p->pipe[1], from, n);
		if (wrote == (ssize_t)n)
			wrote = read(p->pipe[0],
				     (char *)p->map + p->map_size - p->size +
					     offset,
				     n);
	}
	if (wrote < 0)
		return -errno;
	return wrote == (ssize_t)n ? 0 : -ENOSPC;
}

/* From here on no reader takes what it copies for the page. */
static int close_page(const struct published *p)
{
	unsigned int seq = sequence_at[p->kind];
	uint32_t *shown = (uint32_t *)p->shown + seq;

	*shown = p->kind == PARACLOCK_SIM_HYPERV ? 0 : *shown | 1;
	return put(p, seq * sizeof(*shown), sizeof(*shown));
}

/* All of it, whatever is there; its sequence last. */
static int put_page(struct published *p)
{
	const size_t size = sizeof(uint32_t);
	size_t at = sequence_at[p->kind] * size;
	int ret = close_page(p);

	if (ret)
		return ret;
	memcpy(p->shown, p->page, p->size);
	if (at)
		ret = put(p, 0, at);
	if (!ret)
		ret = put(p, at + size, p->size - at - size);
	return ret ? ret : put(p, at, size);
}

/* Did somebody cut the page off? Another one's file is not made longer. */
static int mend(struct published *p)
{
	struct stat stat;

	if (fstat(p->fd, &stat))
		return complain(p->path, strerror(errno));
	if ((uint64_t)stat.st_size >= p->at + p->size)
		return 0;
	if (!p->own)
		return complain(p->path, "was truncated by somebody else");
	if (!p->mended)
		warnx("%s: was truncated by somebody else; written anew",
		      p->path);
	p->mended = true;
	return 1;
}

static int show(struct published *p)
{
	int ret = mend(p);

	if (ret < 0 || (!ret && !memcmp(p->page, p->shown, p->size)))
		return ret;
	ret = put_page(p);
	return ret ? complain(p->path, strerror(-ret)) : 0;
}

/* A file of huge pages, which is mapped from one of these on. */
static int map_page(struct published *p, uint64_t align)
{
	uint64_t skip = p->at % align;

	p->map_size = p->size + skip;
	p->map = mmap(NULL, p->map_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      p->fd, (off_t)(p->at - skip));
	if (p->map == MAP_FAILED) {
		p->map = NULL;
		return complain(p->path, strerror(errno));
	}
	if (pipe2(p->pipe, O_CLOEXEC))
		return complain(p->path, strerror(errno));
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
static int claim(struct published *p)
{
	ssize_t got;
	int error;

	if (flock(p->fd, LOCK_EX | LOCK_NB))
		return complain(p->path, "another process publishes there");
	do
		error = posix_fallocate(p->fd, (off_t)p->at, (off_t)p->size);
	while (error == EINTR);
	if (error)
		return complain(p->path, strerror(error));
	got = pread(p->fd, p->shown, p->size, (off_t)p->at);
	return got == (ssize_t)p->size
		       ? 0
		       : complain(p->path,
				  got < 0 ? strerror(errno) : "cannot be read");
}

static int open_own(struct published *p)
{
	struct stat stat;

	p->own = true;
	p->fd = open_regular(p->path, O_CREAT, &stat);
	if (p->fd < 0)
		return p->fd;
	if (stat.st_size && (size_t)stat.st_size != p->size)
		return complain(p->path, "is there, and is no page; take "
					 "another directory, or remove it");
	return claim(p);
}

static bool is_free(const struct published *p)
{
	const unsigned char *byte = p->shown;
	const uint32_t *magic = p->shown;

	if (*magic == VMCLOCK_MAGIC)
		return true;
	for (size_t i = 0; i < p->size; i++) {
		if (byte[i])
			return false;
	}
	return true;
}

/* Into another one's file, which neither grows nor shrinks. */
static int open_into(struct published *p)
{
	struct statfs fs;
	struct stat stat;
	uint64_t size;
	int ret;

	p->fd = open_regular(p->path, 0, &stat);
	if (p->fd < 0)
		return p->fd;
	size = (uint64_t)stat.st_size;
	if (size < p->size || p->at > size - p->size)
		return complain(p->path, "--at is beyond its end");
	ret = claim(p);
	if (!ret && !fstatfs(p->fd, &fs) && fs.f_type == HUGETLBFS_MAGIC)
		ret = map_page(p, (uint64_t)fs.f_bsize);
	if (ret)
		return ret;
	return is_free(p) ? 0
			  : complain(p->path, "there is something else at "
					      "--at; zero it first");
}

static void drop_page(const struct published *p)
{
	if (p->map)
		munmap(p->map, p->map_size);
	for (unsigned int i = 0; i < 2; i++) {
		if (p->pipe[i] >= 0)
			close(p->pipe[i]);
	}
	if (p->fd >= 0)
		close(p->fd);
	free(p->shown);
	free(p->path);
}

static int open_page(struct published *p, const struct publisher *pub,
		     const char *name)
{
	int ret;

	p->at = name ? 0 : pub->at;
	if (name)
		ret = asprintf(&p->path, "%s/%s", pub->dir, name);
	else
		ret = asprintf(&p->path, "%s", pub->into);
	if (ret < 0)
		p->path = NULL;
	p->shown = malloc(p->size);
	if (!p->path || !p->shown) {
		warnx("no memory");
		return -EIO;
	}
	return name ? open_own(p) : open_into(p);
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
	struct published p = { .kind = kind, .fd = -1, .pipe = { -1, -1 } };
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
	struct published p = { .kind = PARACLOCK_SIM_VMCLOCK,
			       .fd = -1,
			       .pipe = { -1, -1 } };
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
	for (unsigned int i = 0; i < pub->pages; i++) {
		struct published *p = &pub->page[i];

		if (p->fd >= 0 && show(p)) {
			/* Once. */
			close(p->fd);
			p->fd = -1;
			pub->error = -EIO;
		}
	}
	return ret ? ret : pub->error;
}

void publish_end(struct publisher *pub, bool off)
{
	for (unsigned int i = 0; i < pub->pages; i++) {
		const struct published *p = &pub->page[i];

		if (off && p->fd >= 0 && p->kind == PARACLOCK_SIM_HYPERV)
			(void)close_page(p);
		drop_page(p);
	}
	free(pub->page);
	pub->page = NULL;
	pub->pages = 0;
}
