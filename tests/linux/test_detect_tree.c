// SPDX-License-Identifier: MIT
/*
 * A vmclock in the device tree, from the file that the kernel shows: in a mount
 * namespace of its own, where /sys contains only what the test puts there.
 */

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libfdt.h>

#include "fake.h"
#include "linux/detect.h"

#define SKIP	   77
#define FDT_FILE   "/sys/firmware/fdt"
#define TREE_MAX   1024
#define KERNEL_MAX (2 << 20)

/* Nodes as QEMU, Firecracker and hand-written trees have them. */
struct node {
	const char *name;
	const char *compatible;
	const char *status;
	uint32_t address_cells; /* of the bus that it is on; 0: absent */
	unsigned int reg_cells;
	bool interrupts;
};

struct row {
	const char *name;
	struct node node[2];
	int vmclock, vmgenid;
};

#define VMCLOCK "amazon,vmclock"
#define VMGENID "microsoft,vmgenid"
#define TREE	PARACLOCK_FIRMWARE_DEVICE_TREE
#define UNKNOWN PARACLOCK_FIRMWARE_UNKNOWN

static struct row rows[] = {
	/* clang-format off */
	{ "a vmclock with reg and interrupts is announced",
	  { { "ptp@80000000", VMCLOCK, NULL, 2, 4, true } }, TREE, 0 },
	{ "a node with status okay is announced",
	  { { "ptp@80000000", VMCLOCK, "okay", 2, 4, true } }, TREE, 0 },
	{ "a node without interrupts is announced",
	  { { "ptp@80000000", VMCLOCK, NULL, 2, 4, false } }, TREE, 0 },
	{ "a node without reg is announced: the driver must find its place",
	  { { "ptp", VMCLOCK, NULL, 2, 0, true } }, TREE, 0 },
	{ "reg cut off in the middle",
	  { { "ptp@80000000", VMCLOCK, NULL, 2, 3, true } }, TREE, 0 },
	{ "a bus with no #address-cells",
	  { { "ptp@80000000", VMCLOCK, NULL, 0, 4, true } }, TREE, 0 },
	{ "a bus with more #address-cells than possible",
	  { { "ptp@80000000", VMCLOCK, NULL, UINT32_MAX, 4, true } }, TREE, 0 },
	{ "a disabled node does not count",
	  { { "ptp@80000000", VMCLOCK, "disabled", 2, 4, true } }, 0, 0 },
	{ "of two nodes, the enabled one counts",
	  { { "ptp@80000000", VMCLOCK, "disabled", 2, 4, true },
	    { "ptp@80001000", VMCLOCK, "ok", 2, 4, true } }, TREE, 0 },
	{ "two nodes count as one",
	  { { "ptp@80000000", VMCLOCK, NULL, 2, 4, true },
	    { "ptp@80001000", VMCLOCK, NULL, 2, 4, true } }, TREE, 0 },
	{ "a vmclock and a vmgenid are told apart",
	  { { "vmgenid@80000000", VMGENID, NULL, 2, 4, true },
	    { "ptp@80001000", VMCLOCK, NULL, 2, 4, true } }, TREE, TREE },
	{ "a vmgenid alone is not a vmclock",
	  { { "vmgenid@80000000", VMGENID, NULL, 2, 4, true } }, 0, TREE },
	{ "another vendor's vmclock is not ours",
	  { { "ptp@80000000", "acme,vmclock", NULL, 2, 4, true } }, 0, 0 },
	{ "a tree of other devices announces nothing",
	  { { "rtc@80000000", "acme,rtc", NULL, 2, 4, true } }, 0, 0 },
	/* clang-format on */
};

static int add_text(char *fdt, const char *name, const char *text)
{
	return fdt_property(fdt, name, text, (int)strlen(text) + 1);
}

static void add_node(char *fdt, const struct node *node)
{
	const fdt32_t cells[4] = { 0, cpu_to_fdt32(0x80000000), 0,
				   cpu_to_fdt32(0x1000) };
	const fdt32_t interrupt[3] = { 0, cpu_to_fdt32(44), cpu_to_fdt32(1) };
	int ret = fdt_begin_node(fdt, node->name);

	if (!ret)
		ret = add_text(fdt, "compatible", node->compatible);
	if (!ret && node->status)
		ret = add_text(fdt, "status", node->status);
	if (!ret && node->reg_cells)
		ret = fdt_property(fdt, "reg", cells,
				   (int)(node->reg_cells * sizeof(*cells)));
	if (!ret && node->interrupts)
		ret = fdt_property(fdt, "interrupts", interrupt,
				   sizeof(interrupt));
	assert_int_equal(ret, 0);
	assert_int_equal(fdt_end_node(fdt), 0);
}

static size_t make_tree(char *fdt, const struct row *row)
{
	uint32_t cells = row->node[0].address_cells;

	assert_int_equal(fdt_create(fdt, TREE_MAX), 0);
	assert_int_equal(fdt_finish_reservemap(fdt), 0);
	assert_int_equal(fdt_begin_node(fdt, ""), 0);
	assert_int_equal(fdt_begin_node(fdt, "soc"), 0);
	if (cells)
		assert_int_equal(fdt_property_u32(fdt, "#address-cells", cells),
				 0);
	for (size_t i = 0; i < ARRAY_LEN(row->node) && row->node[i].name; i++)
		add_node(fdt, &row->node[i]);
	assert_int_equal(fdt_end_node(fdt), 0);
	assert_int_equal(fdt_end_node(fdt), 0);
	assert_int_equal(fdt_finish(fdt), 0);
	return fdt_totalsize(fdt);
}

/* The kernel shows a tree of size bytes. */
static void show(const void *fdt, size_t size)
{
	int fd = open(FDT_FILE, O_WRONLY | O_CREAT | O_TRUNC, 0400);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, fdt, size), (ssize_t)size);
	close(fd);
}

static void assert_detects(int vmclock, int vmgenid)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };

	assert_int_equal(pclk_detect_device("AMZNC10C", VMCLOCK), vmclock);
	assert_int_equal(pclk_detect_device("VMGENCTR", VMGENID), vmgenid);
	assert_int_equal(paraclock_describe_machine(NULL, &machine), 0);
	assert_int_equal(machine.vmclock, vmclock);
	assert_int_equal(machine.vmgenid, vmgenid);
}

static void check_row(void **state)
{
	const struct row *row = *state;
	char fdt[TREE_MAX];

	show(fdt, make_tree(fdt, row));
	assert_detects(row->vmclock, row->vmgenid);
}

static void a_hidden_tree_is_not_known(void **state)
{
	(void)state;
	unlink(FDT_FILE);
	/* As behind a container's mask: nothing at all in the folder. */
	assert_detects(UNKNOWN, UNKNOWN);
	/* A folder can be opened, but not read. */
	assert_int_equal(mkdir(FDT_FILE, 0700), 0);
	assert_detects(UNKNOWN, UNKNOWN);
	assert_int_equal(rmdir(FDT_FILE), 0);
	/* A machine without a tree has other tables there. */
	assert_int_equal(mkdir("/sys/firmware/dmi", 0700), 0);
	assert_int_equal(mkdir("/sys/bus", 0700), 0);
	assert_detects(0, 0);
	assert_int_equal(rmdir("/sys/bus"), 0);
	/* But whether that machine has ACPI is hidden as well. */
	assert_detects(UNKNOWN, UNKNOWN);
	assert_int_equal(rmdir("/sys/firmware/dmi"), 0);
}

/* The same nodes as files, beside a flattened tree that only root may read. */
static void write_file(const char *path, const void *text, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0444);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), (ssize_t)size);
	close(fd);
}

#define BASE "/sys/firmware/devicetree/base"
#define NODE BASE "/soc/ptp@80000000"

static void the_unpacked_tree_serves_those_who_are_not_root(void **state)
{
	static const char two[] = "acme,clock\0" VMCLOCK;

	(void)state;
	unlink(FDT_FILE);
	assert_int_equal(mkdir("/sys/firmware/devicetree", 0755), 0);
	assert_int_equal(mkdir(BASE, 0755), 0);
	write_file(BASE "/compatible", "acme,board", 11);
	assert_detects(0, 0);
	assert_int_equal(mkdir(BASE "/soc", 0755), 0);
	assert_int_equal(mkdir(NODE, 0755), 0);
	write_file(NODE "/compatible", two, sizeof(two));
	assert_detects(TREE, 0);
	/* Beside a flattened file that is no tree, too. */
	show("garbage", 7);
	assert_detects(TREE, 0);
	unlink(FDT_FILE);
	write_file(NODE "/status", "disabled", 9);
	assert_detects(0, 0);
	write_file(NODE "/status", "okay", 5);
	assert_detects(TREE, 0);
	/* A first string, one without its end, a longer one. */
	write_file(NODE "/compatible", VMCLOCK, sizeof(VMCLOCK) - 2);
	assert_detects(0, 0);
	write_file(NODE "/compatible", VMCLOCK, sizeof(VMCLOCK) - 1);
	assert_detects(0, 0);
	write_file(NODE "/compatible", VMCLOCK "2", sizeof(VMCLOCK "2"));
	assert_detects(0, 0);
	write_file(NODE "/compatible", VMGENID, sizeof(VMGENID));
	assert_detects(0, TREE);
	/*
	 * A link leads round in a circle; the search does not repeat what it
	 * saw.
	 */
	assert_int_equal(symlink("../..", NODE "/up"), 0);
	unlink(NODE "/compatible");
	assert_detects(0, 0);
	assert_int_equal(unlink(NODE "/up") | unlink(NODE "/status") |
				 rmdir(NODE) | rmdir(BASE "/soc") |
				 unlink(BASE "/compatible") | rmdir(BASE) |
				 rmdir("/sys/firmware/devicetree"),
			 0);
}

static void a_tree_without_end_is_not_followed(void **state)
{
	char path[1024] = BASE;

	(void)state;
	assert_int_equal(mkdir("/sys/firmware/devicetree", 0755), 0);
	for (unsigned int i = 0; i < 40; i++) {
		assert_int_equal(mkdir(path, 0755), 0);
		strcat(path, "/deeper");
	}
	assert_detects(UNKNOWN, UNKNOWN);
	for (unsigned int i = 0; i < 40; i++) {
		*strrchr(path, '/') = '\0';
		assert_int_equal(rmdir(path), 0);
	}
	assert_int_equal(rmdir("/sys/firmware/devicetree"), 0);
}

static void garbage_is_no_answer(void **state)
{
	const fdt32_t back = cpu_to_fdt32((uint32_t)-12);
	char fdt[TREE_MAX];
	size_t size = make_tree(fdt, &rows[0]);
	int soc = fdt_path_offset(fdt, "/soc"), property;

	(void)state;
	show(fdt, 0);
	assert_detects(UNKNOWN, UNKNOWN);
	show(fdt, size - 1);
	assert_detects(UNKNOWN, UNKNOWN);
	/* Its first property leads back to itself. */
	property = fdt_first_property_offset(fdt, soc);
	assert_in_range(property, 0, size);
	memcpy(fdt + fdt_off_dt_struct(fdt) + property + 4, &back,
	       sizeof(back));
	show(fdt, size);
	assert_detects(UNKNOWN, UNKNOWN);
	size = make_tree(fdt, &rows[0]);
	fdt[0] ^= 1;
	show(fdt, size);
	assert_detects(UNKNOWN, UNKNOWN);
	memset(fdt, 0xff, sizeof(fdt));
	show(fdt, sizeof(fdt));
	assert_detects(UNKNOWN, UNKNOWN);
}

/* More than the kernel would accept is not read; a tree at its beginning is. */
static void a_file_without_end_is_read_to_a_bound(void **state)
{
	char fdt[TREE_MAX];
	size_t size = make_tree(fdt, &rows[0]);

	(void)state;
	show(fdt, size);
	assert_int_equal(truncate(FDT_FILE, 4 * KERNEL_MAX), 0);
	assert_detects(TREE, 0);
	/* Its header claims that it goes on behind the bound. */
	fdt_set_totalsize(fdt, 3 * KERNEL_MAX);
	show(fdt, size);
	assert_int_equal(truncate(FDT_FILE, 4 * KERNEL_MAX), 0);
	assert_detects(UNKNOWN, UNKNOWN);
}

static void acpi_comes_before_the_tree(void **state)
{
	char fdt[TREE_MAX];

	(void)state;
	show(fdt, make_tree(fdt, &rows[0]));
	assert_int_equal(mkdir("/sys/bus", 0700), 0);
	assert_int_equal(mkdir("/sys/bus/acpi", 0700), 0);
	assert_int_equal(mkdir("/sys/bus/acpi/devices", 0700), 0);
	assert_detects(TREE, 0);
	assert_int_equal(mkdir("/sys/bus/acpi/devices/AMZNC10C:00", 0700), 0);
	assert_detects(PARACLOCK_FIRMWARE_ACPI, 0);
}

static bool say(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t length = (ssize_t)strlen(text);
	bool said = fd >= 0 && write(fd, text, (size_t)length) == length;

	if (fd >= 0)
		close(fd);
	return said;
}

/* Root may mount; others become root of a user namespace of their own. */
static bool have_own_mounts(void)
{
	char uid[32], gid[32];

	snprintf(uid, sizeof(uid), "0 %u 1", geteuid());
	snprintf(gid, sizeof(gid), "0 %u 1", getegid());
	return !unshare(CLONE_NEWNS) ||
	       (!unshare(CLONE_NEWUSER | CLONE_NEWNS) &&
		say("/proc/self/setgroups", "deny") &&
		say("/proc/self/uid_map", uid) &&
		say("/proc/self/gid_map", gid));
}

static const char *have_own_sys(void)
{
	if (!have_own_mounts())
		return "no mount namespace of its own";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/sys", "tmpfs", 0, NULL) ||
	    mkdir("/sys/firmware", 0700))
		return "no /sys of its own in a mount namespace";
	return NULL;
}

int main(void)
{
	const char *why = have_own_sys();
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(a_hidden_tree_is_not_known),
		cmocka_unit_test(
			the_unpacked_tree_serves_those_who_are_not_root),
		cmocka_unit_test(a_tree_without_end_is_not_followed),
		cmocka_unit_test(garbage_is_no_answer),
		cmocka_unit_test(a_file_without_end_is_read_to_a_bound),
	};

	if (why) {
		printf("skipped: %s\n", why);
		return SKIP;
	}
	ADD_TESTS(others);
	ADD_ROWS(rows, check_row);
	/* Last: what it creates stays. */
	add_test("acpi_comes_before_the_tree", acpi_comes_before_the_tree);
	return run_suite(NULL, NULL);
}
