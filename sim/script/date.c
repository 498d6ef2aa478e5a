// SPDX-License-Identifier: MIT
/* The start of a script's world. */

#include <string.h>
#include <time.h>

#include "script.h"

bool pclk_sim_script_date(const char *word, int64_t *ret_sec)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	static const uint8_t at[] = { 0, 5, 8, 11, 14, 17 };
	int field[6] = { 0 };
	struct tm tm = { 0 }, back;
	time_t sec;

	if (strlen(word) != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; word[i]; i++) {
		bool digit = word[i] >= '0' && word[i] <= '9';

		if (shape[i] == 'd' ? !digit : word[i] != shape[i])
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		for (size_t j = at[i]; word[j] >= '0' && word[j] <= '9'; j++)
			field[i] = field[i] * 10 + (word[j] - '0');
	}
	tm.tm_year = field[0] - 1900;
	tm.tm_mon = field[1] - 1;
	tm.tm_mday = field[2];
	tm.tm_hour = field[3];
	tm.tm_min = field[4];
	tm.tm_sec = field[5];
	back = tm;
	sec = timegm(&back);
	/* timegm() turns a 31st of February into a day in March: refuse what it
	 * changes. A world must begin before 2^62 ns: February 2116. */
	if (field[0] < 1972 || field[0] > 2115 || back.tm_mon != tm.tm_mon ||
	    back.tm_mday != tm.tm_mday || back.tm_hour != tm.tm_hour ||
	    back.tm_min != tm.tm_min || back.tm_sec != tm.tm_sec)
		return false;
	*ret_sec = sec;
	return true;
}
