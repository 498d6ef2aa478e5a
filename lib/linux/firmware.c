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
/* Linux accepts no larger one, and unpacks no deeper nodes. */
#define FDT_MAX	      (2U << 20)
#define FDT_DEPTH_MAX 64
/* Bytes of a property's name: the specification allows 31 characters. Without a
 * limit, each property could cost a search of the whole strings block. */
#define NAME_SIZE_MAX 256

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

/* --- the device tree's properties ----------------------------------------- */

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

/* Linux makes a device of a node without a status, or with one of these. */
static bool is_enabled_status(const char *status, size_t length)
{
	return (length == 5 && !memcmp(status, "okay", 5)) ||
	       (length == 3 && !memcmp(status, "ok", 3));
}

/* --- the device tree, flattened ------------------------------------------- */

/* What is left of a block. */
struct rest {
	const char *at;
	size_t size;
};

/* Steps over size bytes and over the padding to the next tag. */
static bool skip(struct rest *rest, size_t size)
{
	size_t padding = -size % sizeof(fdt32_t);

	if (size > rest->size || padding > rest->size - size)
		return false;
	rest->at += size + padding;
	rest->size -= size + padding;
	return true;
}

static bool take_word(struct rest *rest, uint32_t *ret_word)
{
	const void *word = rest->at;

	if (!skip(rest, sizeof(fdt32_t)))
		return false;
	*ret_word = fdt32_ld(word);
	return true;
}

static bool skip_node_name(struct rest *rest)
{
	/* A name without its end is one byte longer than the block. */
	return skip(rest, strnlen(rest->at, rest->size) + 1);
}

static bool skip_property(struct rest *rest, const struct rest *names)
{
	uint32_t size, name;
	size_t limit;

	if (!take_word(rest, &size) || !take_word(rest, &name) ||
	    name >= names->size)
		return false;
	limit = names->size - name;
	if (limit > NAME_SIZE_MAX)
		limit = NAME_SIZE_MAX;
	return memchr(names->at + name, '\0', limit) && skip(rest, size);
}

/* Do the tags of the structure block lead to its end, always forward? */
static bool leads_to_its_end(struct rest rest, const struct rest *names)
{
	unsigned int depth = 0;
	bool fits = true;
	uint32_t tag;

	while (fits && take_word(&rest, &tag)) {
		switch (tag) {
		case FDT_BEGIN_NODE:
			fits = depth++ < FDT_DEPTH_MAX && skip_node_name(&rest);
			break;
		case FDT_END_NODE:
			fits = depth-- > 0;
			break;
		case FDT_PROP:
			fits = depth && skip_property(&rest, names);
			break;
		case FDT_NOP:
			break;
		default:
			return tag == FDT_END && !depth;
		}
	}
	return false;
}

static bool take_block(const void *fdt, uint32_t offset, uint32_t size,
		       struct rest *ret_block)
{
	const uint32_t total = fdt_totalsize(fdt);

	if (offset < FDT_V17_SIZE || offset > total || size > total - offset)
		return false;
	*ret_block = (struct rest){ (const char *)fdt + offset, size };
	return true;
}

/*
 * libfdt 1.6.1 adds a property's length to its place without a look at the
 * sign: a length of -12 leads back to the same property, and the walk never
 * ends. Before libfdt walks a tree, see that each step leads forward.
 */
static bool is_bounded(const void *fdt)
{
	const uint32_t reserved = fdt_off_mem_rsvmap(fdt);
	const uint32_t start = fdt_off_dt_struct(fdt);
	struct rest entries, tags, names;

	/* libfdt loads whole words from these two. */
	if (reserved % sizeof(fdt64_t) || start % sizeof(fdt32_t))
		return false;
	/* libfdt looks for the end of the entries, up to that of the tree. */
	return take_block(fdt, reserved, sizeof(struct fdt_reserve_entry),
			  &entries) &&
	       take_block(fdt, start, fdt_size_dt_struct(fdt), &tags) &&
	       take_block(fdt, fdt_off_dt_strings(fdt),
			  fdt_size_dt_strings(fdt), &names) &&
	       leads_to_its_end(tags, &names);
}

static bool is_tree(const void *fdt, size_t size)
{
	/* Older versions do not state the size of the structure block. A tree
	 * that is refused here may still be found as files. */
	return size >= FDT_V17_SIZE && fdt_version(fdt) >= 17 &&
	       fdt_totalsize(fdt) <= size && is_bounded(fdt) &&
	       !fdt_check_full(fdt, size);
}

/* Not fdt_stringlist_contains(), which takes the byte behind a property for the
 * end of its last string. */
static bool is_compatible(const void *fdt, int node, const char *compatible)
{
	int length;
	const char *list = fdt_getprop(fdt, node, "compatible", &length);

	return list && length > 0 && lists(list, (size_t)length, compatible);
}

static bool is_enabled(const void *fdt, int node)
{
	int length;
	const char *status = fdt_getprop(fdt, node, "status", &length);

	return !status ||
	       (length > 0 && is_enabled_status(status, (size_t)length));
}

int pclk_detect_in_fdt(const void *fdt, size_t size, const char *compatible)
{
	int node = -1;

	if (!is_tree(fdt, size))
		return 0;
	do
		node = fdt_next_node(fdt, node, NULL);
	while (node >= 0 && !(is_compatible(fdt, node, compatible) &&
			      is_enabled(fdt, node)));
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
