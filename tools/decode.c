// SPDX-License-Identifier: MIT
/* paraclock decode: what a page image says at a counter value. */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include <paraclock/backend.h>

#include "json.h"
#include "tools.h"

struct decoding {
	const char *kind;
	const char *backend;
	const char *page;
	uint64_t counter;
	bool has_counter;
	bool json;
};

static const char doc[] =
	"Say what a page of a hypervisor's clock means at a counter value: a "
	"page from a crash dump, from another machine, or one that you made. "
	"KIND is pvclock (of KVM and Xen), hyperv (the reference TSC page) or "
	"vmclock.\n"
	"\v"
	"FILE is a regular file or a device. The answer depends on nothing "
	"else "
	"of this machine: its counter and its markers are not read. N is "
	"assumed "
	"to be a value of the counter that a vmclock page declares, unless it "
	"declares none. marker is the page's own marker.\n"
	"\n"
	"Exit status: 0 the pair is valid; 3 it is not; 1 the page is "
	"malformed (stderr names the field) or cannot be read; 2 wrong "
	"usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock decode pvclock --page page.bin --counter 123456789\n"
	"  paraclock decode vmclock --page /dev/vmclock0 --counter "
	"0x1d2e3f4a5b\n"
	"  dd if=dump bs=4096 skip=$PFN count=1 of=page.bin\n"
	"  paraclock decode hyperv --page page.bin --counter $TSC --json";

static const struct argp_option options[] = {
	{ "page", 'p', "FILE", 0, "Read the page from FILE", 0 },
	{ "counter", 'c', "N", 0, "The counter value, decimal or 0x...", 0 },
	{ "json", 'j', NULL, 0, "Print one JSON object, like 'paraclock read'",
	  0 },
	{ 0 },
};

static error_t set_kind(struct decoding *decoding, const char *kind,
			const struct argp_state *state)
{
	if (decoding->kind)
		return args_error(state, "%s: unexpected argument", kind);
	if (strcmp(kind, "pvclock") == 0)
		decoding->backend = "kvmclock";
	else if (strcmp(kind, "hyperv") == 0 || strcmp(kind, "vmclock") == 0)
		decoding->backend = kind;
	else
		return args_error(state,
				  "%s: unknown kind; use pvclock, hyperv or "
				  "vmclock",
				  kind);
	decoding->kind = kind;
	return 0;
}

static error_t check_whole(const struct decoding *decoding,
			   const struct argp_state *state)
{
	if (!decoding->kind)
		return args_error(state,
				  "no kind of page; name pvclock, hyperv "
				  "or vmclock");
	if (!decoding->page)
		return args_error(state, "no page; name its file with --page");
	if (!decoding->has_counter)
		return args_error(state, "no counter value; give one with "
					 "--counter");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct decoding *decoding = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		return 0;
	case 'p':
		decoding->page = arg;
		return 0;
	case 'c':
		decoding->has_counter = true;
		return parse_number(state, "--counter", arg,
				    (struct number_range){ 0, UINT64_MAX },
				    &decoding->counter);
	case 'j':
		decoding->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return set_kind(decoding, arg, state);
	case ARGP_KEY_END:
		return check_whole(decoding, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- an env whose counter always says N ----------------------------------- */

struct world {
	const struct paraclock_env *real;
	uint64_t counter;
};

static uint64_t world_counter(void *ctx)
{
	const struct world *world = ctx;

	return world->counter;
}

/* Without a path the library asks for this machine's own page, whose time and
 * markers say nothing about an image. */
static int world_map_page(void *ctx, const char *name, const char *path,
			  struct paraclock_mapping *ret_map)
{
	const struct world *world = ctx;

	if (path)
		return world->real->map_page(world->real->ctx, name, path,
					     ret_map);
	snprintf(ret_map->why, sizeof(ret_map->why),
		 "decode reads no page of this machine");
	return -ENODEV;
}

static void world_unmap_page(void *ctx, struct paraclock_mapping *map)
{
	const struct world *world = ctx;

	world->real->unmap_page(world->real->ctx, map);
}

static int64_t world_pread(void *ctx, int fd, void *buf, size_t n,
			   uint64_t offset)
{
	const struct world *world = ctx;

	return world->real->pread(world->real->ctx, fd, buf, n, offset);
}

static void *world_alloc(void *ctx, size_t size)
{
	const struct world *world = ctx;

	return world->real->alloc(world->real->ctx, size);
}

static void world_free(void *ctx, void *ptr)
{
	const struct world *world = ctx;

	world->real->free(world->real->ctx, ptr);
}

/* No other member is set: decoding needs nothing else of this machine, not even
 * the right to read its counter. */
static struct paraclock_env make_env(struct world *world)
{
	return (struct paraclock_env){
		.size = sizeof(struct paraclock_env),
		.ctx = world,
		.counter_id = PARACLOCK_COUNTER_ANY,
		.counter = world_counter,
		.map_page = world_map_page,
		.unmap_page = world_unmap_page,
		.pread = world_pread,
		.alloc = world_alloc,
		.free = world_free,
	};
}

static int print_human(const struct decoding *decoding,
		       const struct paraclock *clk,
		       const struct paraclock_sample *sample,
		       const uint64_t *marker)
{
	char text[512];

	sample_print_long(decoding->backend, sample);
	if (marker)
		printf("%-14s 0x%016" PRIx64 "\n", "marker", *marker);
	else
		printf("%-14s %s\n", "marker", "none");
	if (output_flush())
		return -EIO;
	if (!sample->valid) {
		paraclock_explain(clk, 0, sample, text, sizeof(text));
		warnx("%s: not valid: %s", decoding->page, text);
	}
	return 0;
}

/* The page's own marker; false: it has none. The handle's epoch says nothing of
 * a page. */
static bool find_marker(const struct paraclock *clk,
			struct paraclock_sample *sample, uint64_t *ret_value)
{
	struct paraclock_marker marker;

	sample->epoch = 0;
	if (paraclock_marker(clk, &marker)) {
		sample->marker_class = PARACLOCK_MARKER_NONE;
		return false;
	}
	*ret_value = marker.value;
	return true;
}

static int print_json(const char *backend,
		      const struct paraclock_sample *sample,
		      const uint64_t *marker)
{
	struct json json = { 0 };

	json_begin(&json, NULL, '{');
	sample_put_json(&json, backend, sample);
	if (marker)
		json_put_marker(&json, "marker", *marker);
	else
		json_put_null(&json, "marker");
	json_end(&json, '}');
	return json_finish(&json);
}

static int decode(const struct decoding *decoding, const struct paraclock *clk)
{
	struct paraclock_sample sample;
	uint64_t marker;
	char text[512];
	bool marked;
	int ret = paraclock_read_at(clk, decoding->counter, &sample);

	if (ret) {
		paraclock_explain(clk, ret, NULL, text, sizeof(text));
		warnx("%s: %s", decoding->page, text);
		return STATUS_FAILED;
	}
	marked = find_marker(clk, &sample, &marker);
	if (decoding->json)
		ret = print_json(decoding->backend, &sample,
				 marked ? &marker : NULL);
	else
		ret = print_human(decoding, clk, &sample,
				  marked ? &marker : NULL);
	if (ret)
		return STATUS_FAILED;
	return sample.valid ? STATUS_OK : STATUS_NOT_VALID;
}

static int open_page(const struct decoding *decoding,
		     const struct paraclock_env *env,
		     struct paraclock **ret_clk)
{
	char detail[512] = "";
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = decoding->backend,
		.device = decoding->page,
		.env = env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct stat st;
	int ret;

	if (!stat(decoding->page, &st) && S_ISREG(st.st_mode) && !st.st_size) {
		warnx("%s: the file is empty: it holds no %s page",
		      decoding->page, decoding->kind);
		return STATUS_FAILED;
	}
	ret = paraclock_open(ret_clk, &opts);
	if (!ret)
		return STATUS_OK;
	if (!detail[0])
		paraclock_explain(NULL, ret, NULL, detail, sizeof(detail));
	warnx("%s", detail);
	return STATUS_FAILED;
}

int cmd_decode(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "KIND --page FILE --counter N",
		.doc = doc,
	};
	struct decoding decoding = { 0 };
	struct paraclock_env env;
	struct world world;
	struct paraclock *clk;
	int ret = args_parse(&argp, argc, argv, &decoding);

	if (ret)
		return ret;
	world = (struct world){ paraclock_default_env(), decoding.counter };
	env = make_env(&world);
	ret = open_page(&decoding, &env, &clk);
	if (ret)
		return ret;
	ret = decode(&decoding, clk);
	paraclock_close(clk);
	return ret;
}
