// SPDX-License-Identifier: MIT
/* paraclock status: lists the clocks, and says why some are not here. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "service/keep_state.h"
#include "tools.h"
#include "verdict.h"

/* Not a character: it has no short form. */
#define TIMESCALE 0x100

/* The column in which the sentence about a backend begins. */
#define INDENT 4U
/* Of the column of keys, with the space behind it. */
#define KEY_WIDTH 13U

struct request {
	uint32_t timescales;
	bool json;
};

struct status_view {
	const struct paraclock_env *env; /* NULL: this machine's */
	uint32_t timescales;		 /* acceptable ones; 0: any */
	struct paraclock_machine machine;
	char chosen[32]; /* empty: no source is */
	char why[512];	 /* in that case: why not */
	unsigned int answers;
	unsigned int width;
	struct verdict verdict;
	struct json json;
};

static const char doc[] =
	"List the clocks of the hypervisor, and say which one is chosen when "
	"you name none. For each of the others, say why it is not used and "
	"what "
	"to do about it.\n"
	"\v"
	"Marks: * chosen, + here and valid, ! here but not valid, - not here. "
	"An own-kernel source only repeats this kernel's own clock: it is read "
	"when you name it, and never chosen.\n"
	"\n"
	"Exit status: 0 the chosen source is valid; 3 some sources answer, but "
	"none that may be chosen is valid; 1 no source answers; 2 wrong "
	"usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock status\n"
	"  paraclock status --json | jq -r .chosen\n"
	"  paraclock status --json | jq '.backends[] | select(.valid) | .name'";

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Print one JSON object on one line", 0 },
	{ "timescale", TIMESCALE, "LIST", 0,
	  "Choose only a source on one of these timescales: utc, tai, "
	  "monotonic, utc-maybe-smeared, with commas between; all sources "
	  "are listed",
	  0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		return 0;
	case 'j':
		request->json = true;
		return 0;
	case TIMESCALE:
		return parse_timescales(state, arg, &request->timescales);
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void choose(struct status_view *view)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = view->env,
		.timescales = view->timescales,
		.detail = view->why,
		.detail_size = sizeof(view->why),
	};
	struct paraclock *clk;

	if (paraclock_open(&clk, &opts))
		return;
	snprintf(view->chosen, sizeof(view->chosen), "%s",
		 paraclock_backend_name(clk));
	paraclock_close(clk);
}

static bool has_evidence(const struct paraclock_machine *machine, size_t i)
{
	return i < PARACLOCK_EVIDENCE_MAX && machine->evidence[i][0];
}

/* --- JSON ----------------------------------------------------------------- */

static const char *text_or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static int json_backend(void *arg, const struct paraclock_listing *listing)
{
	struct status_view *view = arg;
	const struct paraclock_sample *sample = &listing->sample;
	struct json *json = &view->json;
	bool here = !listing->error;

	view->answers += here;
	json_begin(json, NULL, '{');
	json_put_text(json, "name", listing->name);
	json_put_bool(json, "available", here);
	json_put_bool(json, "valid", here && sample->valid);
	json_put_text(json, "reason", here ? sample_state(sample) : NULL);
	json_put_text(json, "timescale",
		      here ? paraclock_timescale_name(sample->timescale)
			   : NULL);
	json_put_text(json, "marker_class",
		      paraclock_marker_class_name(sample->marker_class));
	json_put_bool(json, "own_kernel", listing->own_kernel);
	json_put_s64(json, "quality", listing->quality);
	json_put_text(json, "detail", listing->detail);
	json_end(json, '}');
	return 0;
}

/* 0 means unknown. */
static void put_hz(struct json *json, const char *key, uint64_t hz)
{
	if (hz)
		json_put_u64(json, key, hz);
	else
		json_put_null(json, key);
}

static const char *hz_from(const struct paraclock_machine *machine)
{
	if (!machine->counter_hz)
		return NULL;
	return machine->measured ? "measured" : "stated";
}

static void json_counter(struct json *json,
			 const struct paraclock_machine *machine)
{
	json_begin(json, "counter", '{');
	json_put_text(json, "id", paraclock_counter_name(machine->counter));
	put_hz(json, "hz", machine->counter_hz);
	json_put_text(json, "hz_from", hz_from(machine));
	json_put_bool(json, "invariant", machine->invariant);
	put_hz(json, "hz_stated", machine->stated_hz);
	put_hz(json, "hz_measured", machine->measured_hz);
	put_hz(json, "hz_measured_error", machine->measured_error_hz);
	json_end(json, '}');
}

static int print_json(struct status_view *view)
{
	const struct paraclock_machine *machine = &view->machine;
	struct json *json = &view->json;

	json_begin(json, NULL, '{');
	json_put_text(json, "hypervisor", text_or_null(machine->hypervisor));
	json_begin(json, "evidence", '[');
	for (size_t i = 0; has_evidence(machine, i); i++)
		json_put_text(json, NULL, machine->evidence[i]);
	json_end(json, ']');
	json_counter(json, machine);
	json_put_text(json, "clocksource", text_or_null(machine->clocksource));
	json_put_text(json, "chosen", text_or_null(view->chosen));
	json_begin(json, "backends", '[');
	paraclock_list(view->env, json_backend, view);
	json_end(json, ']');
	if (!view->env)
		keep_state_put(json);
	verdict_put(&view->verdict, json);
	json_end(json, '}');
	return json_finish(json);
}

/* --- for people ----------------------------------------------------------- */

static void print_firmware(const char *name, unsigned int where)
{
	static const char *const says[] = {
		[PARACLOCK_FIRMWARE_NONE] = "not announced by firmware",
		[PARACLOCK_FIRMWARE_ACPI] = "announced by ACPI",
		[PARACLOCK_FIRMWARE_DEVICE_TREE] =
			"announced by the device tree",
		[PARACLOCK_FIRMWARE_UNKNOWN] =
			"not known: firmware tables are hidden here",
	};

	printf("%-12s %s\n", name,
	       where < sizeof(says) / sizeof(says[0]) ? says[where] : "?");
}

/* Print only the digits that are known: hz is within error_hz. */
static void print_mhz(uint64_t hz, uint64_t error_hz)
{
	uint64_t unit = 1;
	int decimals = 6;

	/* The last digit is then off by one at most. */
	for (; unit / 2 < error_hz && unit<hz; decimals -= decimals> 0)
		unit *= 10;
	/* Round to the nearest, with zeros for unknown digits. */
	hz = (hz / unit + (unit > 1 && hz % unit >= unit / 2)) * unit;
	printf("%" PRIu64, hz / 1000000);
	if (decimals)
		printf(".%0*" PRIu64, decimals, hz % 1000000 / unit);
	fputs(" MHz", stdout);
}

static void print_frequency(const struct paraclock_machine *machine)
{
	if (!machine->counter_hz) {
		fputs("frequency unknown, ", stdout);
		return;
	}
	print_mhz(machine->counter_hz,
		  machine->measured ? machine->measured_error_hz : 0);
	if (machine->measured && machine->stated_hz) {
		fputs(" (measured; firmware states ", stdout);
		print_mhz(machine->stated_hz, 0);
		fputs(", which this kernel's clock contradicts), ", stdout);
	} else if (machine->measured) {
		fputs(" (measured), ", stdout);
	} else {
		fputs(machine->measured_hz ? ", "
					   : " (stated, and this kernel's "
					     "clock is too coarse to check "
					     "it), ",
		      stdout);
	}
}

/* The one name that the evidence seems to contradict. */
static void print_pvm(const struct status_view *view)
{
	if (strcmp(view->machine.hypervisor, "pvm") == 0)
		print_wrapped("PVM is KVM without hardware virtualization: the "
			      "clocks are KVM's, and CPUID shows the layer "
			      "below it.",
			      KEY_WIDTH, view->width);
}

static void print_machine(const struct status_view *view)
{
	const struct paraclock_machine *machine = &view->machine;

	printf("%-12s %s\n", "hypervisor",
	       machine->hypervisor[0] ? machine->hypervisor
				      : "unknown, or none");
	print_pvm(view);
	for (size_t i = 0; has_evidence(machine, i); i++)
		printf("%-12s %s\n", i ? "" : "evidence", machine->evidence[i]);
	printf("%-12s %s, ", "counter",
	       paraclock_counter_name(machine->counter));
	print_frequency(machine);
	puts(machine->invariant ? "invariant" : "not invariant");
	printf("%-12s %s\n", "clocksource",
	       machine->clocksource[0] ? machine->clocksource : "unknown");
	print_firmware("vmclock", machine->vmclock);
	print_firmware("vmgenid", machine->vmgenid);
}

/* The row of one backend. */
struct row {
	char mark;
	const char *style;
	char state[48];
};

static struct row make_row(const struct status_view *view,
			   const struct paraclock_listing *listing)
{
	const struct paraclock_sample *sample = &listing->sample;
	struct row row = { '-', STYLE_DIM, "absent" };

	if (listing->error == -EACCES) {
		snprintf(row.state, sizeof(row.state), "no-access");
	} else if (listing->error && listing->error != -ENODEV) {
		snprintf(row.state, sizeof(row.state), "failed:%s",
			 paraclock_error_name(listing->error));
	} else if (!listing->error && !listing->gives_time) {
		row = (struct row){ '+', STYLE_GREEN, "markers-only" };
	} else if (!listing->error && !sample->valid) {
		row = (struct row){ '!', STYLE_YELLOW, "" };
		snprintf(row.state, sizeof(row.state), "invalid:%s",
			 sample_state(sample));
	} else if (!listing->error) {
		row = (struct row){ '+', STYLE_GREEN, "valid" };
		if (strcmp(view->chosen, listing->name) == 0)
			row = (struct row){ '*', STYLE_GREEN, "chosen" };
		else if (listing->own_kernel)
			snprintf(row.state, sizeof(row.state), "own-kernel");
	}
	return row;
}

static int print_backend(void *arg, const struct paraclock_listing *listing)
{
	struct status_view *view = arg;
	const struct paraclock_sample *sample = &listing->sample;
	struct row row = make_row(view, listing);
	bool here = !listing->error;

	view->answers += here;
	printf("%s%c %-12s %-22s %-18s %s%s\n", output_style(row.style),
	       row.mark, listing->name, row.state,
	       here ? paraclock_timescale_name(sample->timescale) : "-",
	       here ? paraclock_marker_class_name(sample->marker_class) : "-",
	       output_style(STYLE_RESET));
	if (!here || !sample->valid)
		print_wrapped(listing->detail, INDENT, view->width);
	else if (listing->own_kernel)
		print_wrapped("repeats this kernel's own clock: read only "
			      "when named with -b",
			      INDENT, view->width);
	return 0;
}

static int print_table(struct status_view *view)
{
	print_machine(view);
	if (!view->env)
		keep_state_print();
	printf("\n%s  %-12s %-22s %-18s %s%s\n", output_style(STYLE_BOLD),
	       "BACKEND", "STATE", "TIMESCALE", "MARKERS",
	       output_style(STYLE_RESET));
	paraclock_list(view->env, print_backend, view);
	putchar('\n');
	/* About timescales it says what the rows and the verdict do. */
	if (!view->chosen[0] && !view->timescales) {
		print_wrapped(view->why, 0, view->width);
		putchar('\n');
	}
	print_wrapped("* chosen   + valid   ! here, not valid   - not here", 0,
		      view->width);
	putchar('\n');
	print_wrapped(view->verdict.text, 0, view->width);
	return output_flush();
}

int status_show(const struct paraclock_env *env, uint32_t timescales, bool json)
{
	struct status_view view = {
		.env = env,
		.timescales = timescales,
		.machine.size = sizeof(view.machine),
		.width = output_width(),
	};

	/* On failure members stay empty, and are printed as unknown. */
	(void)paraclock_describe_machine(env, &view.machine);
	choose(&view);
	verdict_make(env, &view.machine, timescales, &view.verdict);
	if (json ? print_json(&view) : print_table(&view))
		return STATUS_FAILED;
	if (view.chosen[0])
		return STATUS_OK;
	return view.answers ? STATUS_NOT_VALID : STATUS_FAILED;
}

int cmd_status(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = doc,
	};
	struct request request = { 0 };
	int ret = args_parse(&argp, argc, argv, &request);

	return ret ? ret : status_show(NULL, request.timescales, request.json);
}
