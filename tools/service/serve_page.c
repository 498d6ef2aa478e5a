// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "serve_page.h"
#include "service.h"

/* A vmclock page begins with this: <linux/vmclock-abi.h>. */
#define MAGIC 0x4b4c4356U

/* --- the lock ------------------------------------------------------------- */

/* The lock is the kernel's, and ends with the process; the number in the file is
 * for the sentence. */
static int holder_of(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return (int)strtol(text, NULL, 10);
}

static int lock(struct serve_page *page, char *why, size_t size)
{
	char text[16];
	int error, length;

	page->lock_fd = open(page->lock_path,
			     O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (page->lock_fd < 0) {
		error = errno;
		snprintf(why, size,
			 "%s: %s; make a folder that serve may write, or name "
			 "another --dir",
			 page->lock_path, strerror(error));
		return -error;
	}
	if (flock(page->lock_fd, LOCK_EX | LOCK_NB)) {
		error = errno;
		snprintf(why, size,
			 "%s: process %d holds the page already; stop it, or "
			 "name another --dir",
			 page->path, holder_of(page->lock_fd));
		close(page->lock_fd);
		page->lock_fd = -1;
		return error == EWOULDBLOCK ? -EBUSY : -error;
	}
	length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(page->lock_fd, 0) ||
	    pwrite(page->lock_fd, text, (size_t)length, 0) != length) {
		error = errno;
		snprintf(why, size, "%s: %s", page->lock_path, strerror(error));
		close(page->lock_fd);
		page->lock_fd = -1;
		return -error;
	}
	return 0;
}

/* The marker of a page that an earlier process has left. */
static uint64_t find_marker(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct {
		uint32_t magic, others[3];
		uint64_t marker;
	} head = { 0 };
	ssize_t got = fd < 0 ? -1 : pread(fd, &head, sizeof(head), 0);

	if (fd >= 0)
		close(fd);
	return got == sizeof(head) && head.magic == MAGIC ? head.marker : 0;
}

int serve_page_open(struct serve_page *page, const char *folder, char *why,
		    size_t size)
{
	int ret;

	*page = (struct serve_page){ .lock_fd = -1 };
	if (strlen(folder) > sizeof(page->path) - 32) {
		snprintf(why, size, "--dir: the name is too long");
		return -ENAMETOOLONG;
	}
	snprintf(page->path, sizeof(page->path), "%s/utc.vmclock", folder);
	snprintf(page->lock_path, sizeof(page->lock_path), "%s/serve.lock",
		 folder);
	page->file.path = page->path;
	page->file.size = PARACLOCK_VMCLOCK_PAGE_SIZE;
	state_make_folders(folder);
	ret = lock(page, why, size);
	if (!ret)
		page->found = find_marker(page->path);
	return ret;
}

/* --- the page ------------------------------------------------------------- */

static int become_writer(struct serve_page *page)
{
	/* What another process wrote is read from the page itself. */
	memset(&page->writer, 0, sizeof(page->writer));
	return paraclock_page_writer_acquire(&page->writer, NULL);
}

/* What is there may be anything: the writer checks it. */
static int take_over(struct serve_page *page,
		     const struct paraclock_timeline *tl)
{
	int ret = serve_file_map(&page->file);

	if (ret)
		return ret;
	ret = become_writer(page);
	if (!ret)
		ret = paraclock_vmclock_write(page->file.memory, &page->writer,
					      NULL, tl);
	if (ret && ret != -ESTALE)
		serve_file_drop(&page->file);
	return ret;
}

/* Readers see a whole page, or none. */
static int make_new(struct serve_page *page,
		    const struct paraclock_timeline *tl)
{
	int ret = serve_file_make(&page->file);

	if (ret)
		return ret;
	ret = become_writer(page);
	if (!ret)
		ret = paraclock_vmclock_write(page->file.memory, &page->writer,
					      NULL, tl);
	if (!ret)
		ret = serve_file_show(&page->file);
	if (ret)
		serve_file_drop(&page->file);
	return ret;
}

int serve_page_write(struct serve_page *page,
		     const struct paraclock_timeline *tl)
{
	int ret;

	if (page->file.memory && !serve_file_is_shown(&page->file)) {
		/* Somebody has removed it; who has it mapped must not go on
		 * with it. */
		serve_page_freeze(page);
		serve_file_drop(&page->file);
	}
	if (!page->file.memory) {
		ret = take_over(page, tl);
		return ret && ret != -ESTALE ? make_new(page, tl) : ret;
	}
	ret = paraclock_vmclock_write(page->file.memory, &page->writer, NULL,
				      tl);
	if (ret != -EPROTO && ret != -EINVAL && ret != -EPERM)
		return ret;
	/* Somebody has written to it, or the counter is another one. */
	serve_page_freeze(page);
	serve_file_drop(&page->file);
	return make_new(page, tl);
}

void serve_page_freeze(struct serve_page *page)
{
	if (page->file.memory)
		(void)paraclock_vmclock_freeze(page->file.memory, &page->writer,
					       NULL);
}

void serve_page_close(struct serve_page *page)
{
	serve_page_freeze(page);
	serve_file_drop(&page->file);
	if (page->lock_fd >= 0)
		close(page->lock_fd);
	page->lock_fd = -1;
}
