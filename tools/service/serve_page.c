// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "serve_page.h"
#include "service.h"

/* A vmclock page begins with this: <linux/vmclock-abi.h>. */
#define MAGIC 0x4b4c4356U

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
	char lock_path[256];
	int ret;

	*page = (struct serve_page){
		.lock = {
			.held = page->path,
			.what = "the page",
			.option = "--dir",
			.fd = -1,
		},
	};
	if (strlen(folder) > sizeof(page->path) - 32) {
		snprintf(why, size, "--dir: the name is too long");
		return -ENAMETOOLONG;
	}
	snprintf(page->path, sizeof(page->path), "%s/utc.vmclock", folder);
	snprintf(lock_path, sizeof(lock_path), "%s/serve.lock", folder);
	page->file.path = page->path;
	page->file.size = PARACLOCK_VMCLOCK_PAGE_SIZE;
	state_make_folders(folder);
	ret = serve_lock(&page->lock, lock_path, why, size);
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
	serve_unlock(&page->lock);
}
