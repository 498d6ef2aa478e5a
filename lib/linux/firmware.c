// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libfdt.h>

#include "firmware.h"

#define ACPI_DEVICES "/sys/bus/acpi/devices"
#define FIRMWARE     "/sys/firmware"
/* Everybody may read the tree here, */
#define TREE FIRMWARE "/devicetree/base"
/* and only root here. */
#define FDT_FILE FIRMWARE "/fdt"
/* Linux accepts no larger one. */
#define FDT_MAX (2U << 20)

/* Real trees are six deep and have some thousand nodes. */
#define DEPTH_MAX 16
#define NODES_MAX 16384
/* Bytes of a property; a list of compatibles has some 100. */
#define PROPERTY_MAX 512

/* --- ACPI ----------------------------------------------------------------- */

/* 1, 0, -ENOENT: this machine has no ACPI; another error: ACPI is hidden. */
static int is_in_acpi(const char *hid)
{
	size_t length = strlen(hid);
	struct dirent *entry;
	int found = 0;
	DIR *dir = opendir(ACPI_DEVICES);

	if (!dir)
		return errno == ENOENT && access("/sys/bus", F_OK) ? -EACCES
								   : -errno;
	while (!found && (entry = readdir(dir)))
		found = strncmp(entry->d_name, hid, length) == 0 &&
			entry->d_name[length] == ':';
	closedir(dir);
	return found;
}

/* --- the device tree, flattened ------------------------------------------- */

/* Linux makes a device of a node without a status, or with one of these. */
static bool is_enabled_status(const char *status, size_t length)
{
	return (length == 5 && !memcmp(status, "okay", 5)) ||
	       (length == 3 && !memcmp(status, "ok", 3));
}

static bool is_enabled(const void *fdt, int node)
{
	int length;
	const char *status = fdt_getprop(fdt, node, "status", &length);

	return !status ||
	       (length > 0 && is_enabled_status(status, (size_t)length));
}

static bool is_tree(const void *fdt, size_t size)
{
	/* libfdt 1.6 reads past the end of a truncated tree of an older
	 * version; Linux shows version 17. */
	return size >= FDT_V17_SIZE && fdt_version(fdt) >= 16 &&
	       !fdt_check_full(fdt, size);
}

int pclk_detect_in_fdt(const void *fdt, size_t size, const char *compatible)
{
	int node = -1;

	if (!is_tree(fdt, size))
		return 0;
	do
		node = fdt_node_offset_by_compatible(fdt, node, compatible);
	while (node >= 0 && !is_enabled(fdt, node));
	return node >= 0;
}

/* Up to size bytes of a file; how many, or -1. */
static ssize_t read_all(int fd, void *buf, size_t size)
{
	size_t used = 0;
	ssize_t got;

	do {
		got = read(fd, (char *)buf + used, size - used);
		if (got > 0)
			used += (size_t)got;
	} while (got > 0 && used < size);
	close(fd);
	return got < 0 ? -1 : (ssize_t)used;
}

/* 1, 0, or an error: the file cannot be read, or does not hold a tree. */
static int is_in_fdt_file(const char *compatible)
{
	int fd = open(FDT_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t size;
	void *fdt;
	int ret;

	if (fd < 0)
		return -errno;
	fdt = malloc(FDT_MAX);
	size = fdt ? read_all(fd, fdt, FDT_MAX) : -1;
	if (!fdt)
		close(fd);
	ret = size > 0 && is_tree(fdt, (size_t)size)
		      ? pclk_detect_in_fdt(fdt, (size_t)size, compatible)
		      : -EPROTO;
	free(fdt);
	return ret;
}

/* --- the device tree, as files -------------------------------------------- */

struct walk {
	const char *compatible;
	unsigned int nodes; /* how many more nodes to look at */
	int error;	    /* of a part that could not be read */
};

static ssize_t read_property(int node, const char *name, char *buf, size_t size)
{
	int fd = openat(node, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -1 : read_all(fd, buf, size);
}

/* Is text one of the strings that a property lists? */
static bool lists(const char *list, size_t size, const char *text)
{
	const size_t length = strlen(text) + 1;
	const char *end;

	while (size && (end = memchr(list, '\0', size))) {
		size_t n = (size_t)(end - list) + 1;

		if (n == length && !memcmp(list, text, n))
			return true;
		list += n;
		size -= n;
	}
	return false;
}

static bool is_wanted_node(int node, const char *compatible)
{
	char buf[PROPERTY_MAX];
	ssize_t size = read_property(node, "compatible", buf, sizeof(buf));

	if (size <= 0 || !lists(buf, (size_t)size, compatible))
		return false;
	size = read_property(node, "status", buf, sizeof(buf));
	return size < 0 || is_enabled_status(buf, (size_t)size);
}

/* Closes fd. */
static bool walk_node(struct walk *walk, int fd, unsigned int depth)
{
	bool found = is_wanted_node(fd, walk->compatible);
	DIR *dir = found ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		close(fd);
		if (!found)
			walk->error = -ENOMEM;
		return found;
	}
	while (!found && (entry = readdir(dir))) {
		int child;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		child = openat(fd, entry->d_name,
			       O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
		if (child < 0 || !walk->nodes || depth == DEPTH_MAX) {
			walk->error = child < 0 ? -errno : -ERANGE;
			if (child >= 0)
				close(child);
			continue;
		}
		walk->nodes--;
		found = walk_node(walk, child, depth + 1);
	}
	closedir(dir);
	return found;
}

int pclk_detect_in_tree(const char *folder, const char *compatible)
{
	struct walk walk = { .compatible = compatible, .nodes = NODES_MAX };
	int fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);

	if (fd < 0)
		return -errno;
	return walk_node(&walk, fd, 0) ? 1 : walk.error;
}

/* --- both ----------------------------------------------------------------- */

/* Is the folder empty? Every kernel has something there, so a container masks
 * it. */
static bool is_masked(void)
{
	struct dirent *entry;
	DIR *dir = opendir(FIRMWARE);
	bool masked = true;

	while (dir && masked && (entry = readdir(dir)))
		masked = entry->d_name[0] == '.';
	if (dir)
		closedir(dir);
	return masked;
}

static int is_in_device_tree(const char *compatible)
{
	int flat = is_in_fdt_file(compatible), ret;

	if (flat >= 0)
		return flat;
	ret = pclk_detect_in_tree(TREE, compatible);
	/* A tree that is here but cannot be read is not absent. */
	return ret == -ENOENT ? flat : ret;
}

int pclk_detect_device(const char *acpi_hid, const char *compatible)
{
	int acpi = is_in_acpi(acpi_hid), tree;

	if (acpi > 0)
		return PARACLOCK_FIRMWARE_ACPI;
	tree = is_in_device_tree(compatible);
	if (tree > 0)
		return PARACLOCK_FIRMWARE_DEVICE_TREE;
	/* If ACPI could be searched, no tree is needed. */
	if (!acpi || !tree ||
	    (acpi == -ENOENT && tree == -ENOENT && !is_masked()))
		return PARACLOCK_FIRMWARE_NONE;
	return PARACLOCK_FIRMWARE_UNKNOWN;
}
