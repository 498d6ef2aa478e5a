// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "device.h"
#include "hex.h"
#include "vvar.h"

/* Three pages are {data, pvclock, hyperv} from 4.12 on, and {data, HPET
 * registers, pvclock} before 4.7: older kernels' pages are not touched. */
#define THREE_PAGES_SINCE (4U << 16 | 12)

/* No layout ever had more. */
#define PAGES_MAX 64

/* start-end perms offset device inode name */
static void parse_line(struct vvar_map *map, const char *line)
{
	uint64_t start, end, pages;
	const char *at = parse_hex(line, &start);

	if (!at || *at != '-')
		return;
	at = parse_hex(at + 1, &end);
	if (!at || at[0] != ' ' || at[1] != 'r' || end <= start ||
	    start % VVAR_PAGE_SIZE || end % VVAR_PAGE_SIZE)
		return;
	pages = (end - start) / VVAR_PAGE_SIZE;
	if (pages > PAGES_MAX)
		return;
	/* Skip four fields. Only a mapping without a file has a name that
	 * begins with "[". */
	for (unsigned int field = 0; field < 4; field++) {
		at += strspn(at, " ");
		at += strcspn(at, " ");
	}
	at += strspn(at, " ");
	if (strcmp(at, "[vvar]") == 0) {
		map->vvar = start;
		map->vvar_pages = pages;
	} else if (strcmp(at, "[vvar_vclock]") == 0) {
		map->vclock = start;
		map->vclock_pages = pages;
	}
}

void pclk_vvar_parse(struct vvar_parser *parser, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\n') {
			parser->line[parser->used] = '\0';
			if (!parser->overlong)
				parse_line(&parser->map, parser->line);
			parser->used = 0;
			parser->overlong = false;
		} else if (text[i] == '\0' ||
			   parser->used + 1 == sizeof(parser->line)) {
			/* The lines that matter are shorter. */
			parser->overlong = true;
		} else {
			parser->line[parser->used++] = text[i];
		}
	}
}

int pclk_vvar_choose(const struct vvar_map *map, enum vvar_page page,
		     uint32_t kernel, uint64_t *ret_address,
		     const char **ret_why)
{
	uint64_t index = page;

	if (map->vclock_pages) {
		if (index >= map->vclock_pages) {
			*ret_why = "[vvar_vclock] has no such page";
			return -ENODEV;
		}
		*ret_address = map->vclock + index * VVAR_PAGE_SIZE;
		return 0;
	}
	index++;
	switch (map->vvar_pages) {
	case 0:
		*ret_why = "this process has no [vvar] mapping (vdso=0, or a "
			   "sandbox)";
		return -ENODEV;
	case 2:
		if (page == VVAR_PVCLOCK)
			break;
		*ret_why = "kernels with two [vvar] pages show no Hyper-V page";
		return -ENODEV;
	case 3:
		if (kernel >= THREE_PAGES_SINCE)
			break;
		*ret_why = "three [vvar] pages before Linux 4.12 may hold "
			   "device registers; they are not touched";
		return -ENODEV;
	case 4:
		break;
	default:
		*ret_why = "[vvar] has a layout that is not known here";
		return -ENODEV;
	}
	*ret_address = map->vvar + index * VVAR_PAGE_SIZE;
	return 0;
}

uint32_t pclk_vvar_release(const char *release)
{
	uint32_t part[2] = { 0, 0 };

	for (unsigned int i = 0; i < 2; i++) {
		if (*release < '0' || *release > '9')
			return 0;
		for (; *release >= '0' && *release <= '9'; release++) {
			part[i] = part[i] * 10 + (uint32_t)(*release - '0');
			if (part[i] > UINT16_MAX)
				return 0;
		}
		if (i == 0 && *release++ != '.')
			return 0;
	}
	return part[0] << 16 | part[1];
}

/*
 * write(2) lets the kernel copy from the page, which turns the SIGBUS of a page
 * that is absent into EFAULT. (process_vm_readv() would fail for every such
 * page, absent or not.)
 */
int pclk_vvar_probe(const void *page, size_t n)
{
	ssize_t wrote;
	int pipe_fd[2];
	int ret = 0;

	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK))
		return -ENOMEM;
	do
		wrote = write(pipe_fd[1], page, n);
	while (wrote < 0 && errno == EINTR);
	if (wrote < 0 || (size_t)wrote != n)
		ret = -EFAULT;
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return ret;
}

static int read_maps(struct vvar_map *ret_map)
{
	struct vvar_parser parser = { 0 };
	char chunk[4096];
	ssize_t got;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return pclk_error_of_open(errno) == -ENOMEM ? -ENOMEM : -ENODEV;
	while ((got = read(fd, chunk, sizeof(chunk))) > 0 ||
	       (got < 0 && errno == EINTR)) {
		if (got > 0)
			pclk_vvar_parse(&parser, chunk, (size_t)got);
	}
	close(fd);
	*ret_map = parser.map;
	return got < 0 ? -ENODEV : 0;
}

int pclk_vvar_find(enum vvar_page page, const void **ret_page,
		   const char **ret_why)
{
	struct vvar_map map;
	struct utsname name;
	uint64_t address;
	int ret;

#if !defined(__x86_64__)
	*ret_why = "only x86 kernels show this page";
	return -ENODEV;
#endif
	ret = read_maps(&map);
	if (ret) {
		*ret_why = ret == -ENOMEM
				   ? "no file descriptor is left to read "
				     "/proc/self/maps with"
				   : "/proc/self/maps cannot be read; mount "
				     "/proc";
		return ret;
	}
	if (uname(&name))
		name.release[0] = '\0';
	ret = pclk_vvar_choose(&map, page, pclk_vvar_release(name.release),
			       &address, ret_why);
	if (ret)
		return ret;
	ret = pclk_vvar_probe((const void *)(uintptr_t)address, 32);
	if (ret == -EFAULT) {
		*ret_why = page == VVAR_PVCLOCK
				   ? "the kernel has not enabled kvm-clock (or "
				     "xen) as its clocksource since boot"
				   : "the kernel has not enabled its Hyper-V "
				     "clocksource since boot";
		return -ENODEV;
	}
	if (ret) {
		*ret_why = "no file descriptor is left to probe it with";
		return ret;
	}
	*ret_page = (const void *)(uintptr_t)address;
	return 0;
}
