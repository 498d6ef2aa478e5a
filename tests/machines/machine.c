// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "linux/detect.h"
#include "machine.h"

#define BLANKS " \t\n"

/* --- what the env answers ------------------------------------------------- */

static int on_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		    uint32_t ret_regs[4])
{
	struct machine *machine = ctx;

	(void)subleaf;
	if (machine->cpuid_error)
		return machine->cpuid_error;
	machine->cpuids++;
	memset(ret_regs, 0, 4 * sizeof(*ret_regs));
	for (unsigned int i = 0; i < machine->n_leaves; i++) {
		if (machine->leaf[i].leaf == leaf)
			memcpy(ret_regs, machine->leaf[i].regs,
			       4 * sizeof(*ret_regs));
	}
	return 0;
}

static const struct machine_file *find_file(const struct machine *machine,
					    const char *path)
{
	for (unsigned int i = 0; i < machine->n_files; i++) {
		const struct machine_file *file = &machine->file[i];
		size_t length = strlen(file->path);

		if (strcmp(file->path, path) == 0 ||
		    (file->below && strncmp(file->path, path, length) == 0 &&
		     path[length] == '/'))
			return file;
	}
	return NULL;
}

static int on_read_text(void *ctx, const char *path, char *buf, size_t size)
{
	struct machine *machine = ctx;
	const struct machine_file *file = find_file(machine, path);

	if (!file)
		return machine->ptp_read_text(ctx, path, buf, size);
	if (file->error)
		return file->error;
	snprintf(buf, size, "%s", file->text);
	return (int)strlen(buf);
}

static int on_open(void *ctx, const char *path, int *ret_fd)
{
	struct machine *machine = ctx;
	const struct machine_file *file = find_file(machine, path);

	return file ? file->error : machine->ptp_open(ctx, path, ret_fd);
}

static int on_map(void *ctx, const char *name, const char *path,
		  struct paraclock_mapping *ret_map)
{
	struct machine *machine = ctx;

	for (unsigned int i = 0; i < machine->n_no_pages; i++) {
		const struct machine_file *no = &machine->no_page[i];

		if (strcmp(no->path, name) == 0) {
			snprintf(ret_map->why, sizeof(ret_map->why), "%s",
				 no->text);
			return no->error;
		}
	}
	return machine->fake_map(ctx, name, path, ret_map);
}

static int on_find_device(void *ctx, const char *acpi_hid,
			  const char *compatible)
{
	struct machine *machine = ctx;

	for (unsigned int i = 0; i < machine->n_announced; i++) {
		if (strcmp(machine->announced[i], acpi_hid) == 0 ||
		    strcmp(machine->announced[i], compatible) == 0)
			return machine->where;
	}
	return machine->otherwise;
}

static int on_describe(void *ctx, struct paraclock_machine *ret_machine)
{
	pclk_detect_machine(machine_env(ctx), ret_machine);
	return 0;
}

static void init(struct machine *machine)
{
	struct paraclock_env *env = &machine->ptp.clocks.world.env;

	memset(machine, 0, sizeof(*machine));
	fake_ptp_init(&machine->ptp);
	machine->ptp.clocks.world.cpu = 0;
	machine->cpuid_error = -EOPNOTSUPP;
	machine->ptp_read_text = env->read_text;
	machine->ptp_open = env->open_device;
	machine->fake_map = env->map_page;
	env->cpuid = on_cpuid;
	env->read_text = on_read_text;
	env->open_device = on_open;
	env->map_page = on_map;
	env->find_device = on_find_device;
	env->describe = on_describe;
}

/* --- the description ------------------------------------------------------ */

static const struct {
	const char *name;
	int value;
} words[] = {
	{ "EACCES", -EACCES },
	{ "EPERM", -EPERM },
	{ "ENODEV", -ENODEV },
	{ "EOPNOTSUPP", -EOPNOTSUPP },
	{ "x86-tsc", PARACLOCK_COUNTER_X86_TSC },
	{ "arm-vcnt", PARACLOCK_COUNTER_ARM_VCNT },
	{ "counter", PARACLOCK_CLOCKSOURCE_COUNTER },
	{ "image", PARACLOCK_CLOCKSOURCE_IMAGE },
	{ "other", PARACLOCK_CLOCKSOURCE_OTHER },
};

static bool word_value(const char *text, int *ret_value)
{
	for (size_t i = 0; text && i < ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i].name) == 0) {
			*ret_value = words[i].value;
			return true;
		}
	}
	return false;
}

static bool number(const char *text, uint64_t *ret_value)
{
	char *end;

	if (!text || !*text)
		return false;
	*ret_value = *text == '-' ? (uint64_t)strtoll(text, &end, 0)
				  : strtoull(text, &end, 0);
	return !*end;
}

static char *next_word(char **rest)
{
	return strtok_r(NULL, BLANKS, rest);
}

/* What is left of the line, without the blanks around it. */
static char *remainder_of(char *rest)
{
	size_t length;

	rest += strspn(rest, BLANKS);
	length = strlen(rest);
	while (length && strchr(BLANKS, rest[length - 1]))
		rest[--length] = '\0';
	return rest;
}

/* "text" with \0, \n and \xNN in it; returns how many bytes, or -1. */
static int unquote(const char *text, char *buf, size_t size)
{
	size_t n = 0;

	if (*text++ != '"')
		return -1;
	for (; *text && *text != '"' && n < size; n++) {
		char two[3] = "";

		if (*text != '\\') {
			buf[n] = *text++;
		} else if (text[1] == 'x') {
			memcpy(two, text + 2, 2);
			buf[n] = (char)strtoul(two, NULL, 16);
			text += 4;
		} else {
			buf[n] = text[1] == '0' ? '\0' : '\n';
			text += 2;
		}
	}
	return *text == '"' ? (int)n : -1;
}

/* cpuid LEAF EAX EBX ECX EDX | cpuid LEAF EAX "EBX, ECX, EDX" | cpuid ERROR */
static bool parse_cpuid(struct machine *machine, char *rest)
{
	struct machine_leaf *leaf = &machine->leaf[machine->n_leaves++];
	const char *first = next_word(&rest);
	uint64_t value;
	char text[12] = "";

	if (word_value(first, &machine->cpuid_error))
		return true;
	machine->cpuid_error = 0;
	if (machine->n_leaves > MACHINE_LEAVES || !number(first, &value))
		return false;
	leaf->leaf = (uint32_t)value;
	if (!number(next_word(&rest), &value))
		return false;
	leaf->regs[0] = (uint32_t)value;
	rest = remainder_of(rest);
	if (*rest == '"') {
		if (unquote(rest, text, sizeof(text)) < 0)
			return false;
		memcpy(&leaf->regs[1], text, sizeof(text));
		return true;
	}
	for (unsigned int i = 1; i < 4; i++) {
		if (!number(strtok_r(i == 1 ? rest : NULL, BLANKS, &rest),
			    &value))
			return false;
		leaf->regs[i] = (uint32_t)value;
	}
	return true;
}

/* counter NAME KHZ */
static bool parse_counter(struct machine *machine, char *rest)
{
	struct fake_clocks *clocks = &machine->ptp.clocks;
	uint64_t khz;
	int id;

	if (!word_value(next_word(&rest), &id) ||
	    !number(next_word(&rest), &khz) || !khz)
		return false;
	clocks->world.env.counter_id = (uint8_t)id;
	clocks->raw.num = clocks->mono.num = 1000000;
	clocks->raw.den = clocks->mono.den = khz;
	/* Either takes about 20 ns to read. */
	clocks->world.counter_step = 1 + khz / 66667;
	clocks->read_ticks = 2 + khz / 50000;
	return true;
}

/* clocksource NAME KIND | clocksource ERROR */
static bool parse_clocksource(struct machine *machine, char *rest)
{
	struct fake_clocks *clocks = &machine->ptp.clocks;
	const char *name = next_word(&rest);
	int kind;

	if (word_value(name, &clocks->source_error))
		return true;
	if (!name || !word_value(next_word(&rest), &kind))
		return false;
	memset(clocks->source, 0, sizeof(clocks->source));
	strncpy(clocks->source, name, sizeof(clocks->source) - 1);
	clocks->kind = (uint8_t)kind;
	return true;
}

/* file PATH TEXT, file PATH "TEXT" | hide PATH ERROR (and everything below) */
static bool parse_file(struct machine *machine, char *rest, bool hide)
{
	struct machine_file *file = &machine->file[machine->n_files++];
	const char *path = next_word(&rest);
	char *text = remainder_of(rest);

	if (machine->n_files > MACHINE_FILES || !path)
		return false;
	snprintf(file->path, sizeof(file->path), "%s", path);
	file->below = hide;
	if (hide)
		return word_value(text, &file->error);
	if (*text == '"')
		return unquote(text, file->text, sizeof(file->text) - 1) >= 0;
	snprintf(file->text, sizeof(file->text), "%s", text);
	return true;
}

/* acpi HID | tree COMPATIBLE | firmware hidden */
static bool parse_announced(struct machine *machine, char *rest, uint8_t where)
{
	const char *name = next_word(&rest);

	if (!name || machine->n_announced == ARRAY_LEN(machine->announced))
		return false;
	snprintf(machine->announced[machine->n_announced++],
		 sizeof(machine->announced[0]), "%s", name);
	machine->where = where;
	return true;
}

static uint8_t *page_of(struct fake *fake, const char *name, int **ret_error)
{
	if (name && strcmp(name, "pvclock") == 0) {
		*ret_error = &fake->pvclock_error;
		return fake->pvclock;
	}
	if (name && strcmp(name, "hyperv") == 0) {
		*ret_error = &fake->hyperv_error;
		return fake->hyperv;
	}
	*ret_error = &fake->vmclock_error;
	return name && strcmp(name, "vmclock") == 0 ? fake->vmclock : NULL;
}

/* page NAME OFFSET BYTES VALUE: the page is present, with that value. */
static bool parse_page(struct machine *machine, char *rest)
{
	uint64_t offset, bytes, value;
	int *error;
	uint8_t *page =
		page_of(&machine->ptp.clocks.world, next_word(&rest), &error);

	if (!page || !number(next_word(&rest), &offset) ||
	    !number(next_word(&rest), &bytes) ||
	    !number(next_word(&rest), &value) || bytes > 8 ||
	    offset > 4096 - bytes)
		return false;
	/* The first word of a page that the fake has filled in. */
	if (*error)
		memset(page, 0, 4096);
	*error = 0;
	memcpy(page + offset, &value, bytes);
	return true;
}

/* nopage NAME ERROR WHY, like the explanation of a failed kernel mapping. */
static bool parse_no_page(struct machine *machine, char *rest)
{
	struct machine_file *no = &machine->no_page[machine->n_no_pages++];
	const char *name = next_word(&rest);

	if (machine->n_no_pages > ARRAY_LEN(machine->no_page) || !name ||
	    !word_value(next_word(&rest), &no->error))
		return false;
	snprintf(no->path, sizeof(no->path), "%s", name);
	snprintf(no->text, sizeof(no->text), "%s", remainder_of(rest));
	return true;
}

/*
 * ptp NUMBER TICKS AHEAD_NS CAN NAME: CAN is gettime, extended, precise (that
 * and extended), or image (precise where the clocksource is an image).
 */
static bool parse_ptp(struct machine *machine, char *rest)
{
	uint64_t index, ticks, ahead;
	struct fake_phc *phc;
	const char *can;

	if (!number(next_word(&rest), &index) || index >= FAKE_PHCS ||
	    !number(next_word(&rest), &ticks) ||
	    !number(next_word(&rest), &ahead))
		return false;
	can = next_word(&rest);
	if (!can)
		return false;
	phc = fake_ptp_add(&machine->ptp, (unsigned int)index,
			   remainder_of(rest), (int64_t)ahead);
	phc->time.num = machine->ptp.clocks.mono.num;
	phc->time.den = machine->ptp.clocks.mono.den;
	phc->ticks = ticks;
	if (strcmp(can, "gettime") == 0)
		return true;
	if (strcmp(can, "extended") == 0) {
		phc->extended = 0;
		return true;
	}
	phc->cross = 1;
	phc->precise = 0;
	phc->needs_image = strcmp(can, "image") == 0;
	if (!phc->needs_image)
		phc->extended = 0;
	return phc->needs_image || strcmp(can, "precise") == 0;
}

/* node PATH NUMBER: the device is there, and nowhere else. */
static bool parse_node(struct machine *machine, char *rest)
{
	struct machine_file *file = &machine->node[machine->n_nodes];
	const char *path = next_word(&rest);
	uint64_t index;

	if (machine->n_nodes == FAKE_NODES || !path ||
	    !number(next_word(&rest), &index) || index >= FAKE_PHCS)
		return false;
	snprintf(file->path, sizeof(file->path), "%s", path);
	machine->ptp.node[machine->n_nodes++] = (struct fake_node){
		.path = file->path,
		.phc = (unsigned int)index,
	};
	machine->ptp.phc[index].nodeless = true;
	return true;
}

static bool parse_statement(struct machine *machine, char *line)
{
	char *rest;
	const char *word = strtok_r(line, BLANKS, &rest);

	if (!word || *word == '#')
		return true;
	if (strcmp(word, "cpuid") == 0)
		return parse_cpuid(machine, rest);
	if (strcmp(word, "counter") == 0)
		return parse_counter(machine, rest);
	if (strcmp(word, "clocksource") == 0)
		return parse_clocksource(machine, rest);
	if (strcmp(word, "file") == 0 || strcmp(word, "hide") == 0)
		return parse_file(machine, rest, *word == 'h');
	if (strcmp(word, "acpi") == 0)
		return parse_announced(machine, rest, PARACLOCK_FIRMWARE_ACPI);
	if (strcmp(word, "tree") == 0)
		return parse_announced(machine, rest,
				       PARACLOCK_FIRMWARE_DEVICE_TREE);
	if (strcmp(word, "page") == 0)
		return parse_page(machine, rest);
	if (strcmp(word, "nopage") == 0)
		return parse_no_page(machine, rest);
	if (strcmp(word, "ptp") == 0)
		return parse_ptp(machine, rest);
	if (strcmp(word, "node") == 0)
		return parse_node(machine, rest);
	if (strcmp(word, "firmware") != 0 ||
	    strcmp(remainder_of(rest), "hidden") != 0)
		return false;
	machine->otherwise = PARACLOCK_FIRMWARE_UNKNOWN;
	return true;
}

int machine_load(struct machine *machine, const char *path)
{
	char line[512];
	int count = 0;
	FILE *file = fopen(path, "re");

	init(machine);
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		count++;
		if (!strchr(line, '\n') || !parse_statement(machine, line)) {
			fclose(file);
			return count;
		}
	}
	fclose(file);
	return 0;
}
