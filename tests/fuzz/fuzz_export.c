// SPDX-License-Identifier: MIT
/*
 * State files of services, and what an exporter makes of them: whatever a file
 * holds, the text has one sample a line and no line that is none. And addresses
 * and Accept headers, as strings.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "export_address.h"
#include "export_metrics.h"
#include "export_state.h"
#include "fuzz_page.h"
#include "writer.h"

/* Everything else is a comment, escaped, or cut away. */
static void check_text(const char *text, size_t size)
{
	const char *line = text;

	CHECK(size && text[size - 1] == '\n');
	for (size_t i = 0; i < size; i++) {
		if (text[i] != '\n') {
			CHECK((unsigned char)text[i] >= ' ');
			continue;
		}
		CHECK(line[0] == '#' || !strncmp(line, "paraclock_", 10));
		line = text + i + 1;
	}
}

static void check_render(const struct export_data *data,
			 enum text_format format)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	CHECK(to);
	export_render(data, format, to);
	fclose(to);
	check_text(text, size);
	free(text);
}

/* An object of a process that runs: this one. */
static void parse_ours(const char *text, size_t size,
		       struct export_service *ret_service)
{
	char *ours = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&ours, &length);

	CHECK(to);
	fprintf(to, "{\"pid\":%d,\"started_ticks\":%" PRIu64 ",", (int)getpid(),
		writer_started_ticks());
	fwrite(text, 1, size, to);
	fclose(to);
	export_state_parse(ours, length, ret_service);
	free(ours);
}

static void check_state(const char *text, size_t size)
{
	static struct export_data data;

	export_state_parse(text, size, &data.services[0]);
	for (size_t i = 0; size && i < EXPORT_SERVICES; i++)
		parse_ours(text + 1, size - 1, &data.services[i]);
	CHECK(data.services[0].output_count <= EXPORT_OUTPUTS);
	CHECK(data.services[0].status <= EXPORT_STATUSES);
	check_render(&data, TEXT_OPENMETRICS);
	check_render(&data, TEXT_PROMETHEUS);
}

/* What is shown of an address is that address. */
static void check_address(const char *text)
{
	struct export_address address = { 0 }, again = { 0 };
	char shown[80];

	if (address_parse(text, &address))
		return;
	address_format(&address, shown, sizeof(shown));
	CHECK(!address_parse(shown, &again));
	CHECK(address.size == again.size);
	CHECK(!memcmp(&address, &again, sizeof(address)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size < 1)
		return 0;
	copy = calloc(size, 1);
	CHECK(copy);
	memcpy(copy, data + 1, size - 1);
	if (data[0] == 'a')
		check_address(copy);
	else if (data[0] == 'q')
		(void)accept_format(copy);
	else
		check_state(copy, size - 1);
	free(copy);
	return 0;
}
