// SPDX-License-Identifier: MIT
/* The same from C++. */

#include <cstdio>
#include <memory>

#include <paraclock/paraclock.h>

namespace
{

struct closer {
	void operator()(paraclock *clk) const
	{
		paraclock_close(clk);
	}
};

} // namespace

int main()
{
	char detail[256] = "";
	paraclock_options opts{};
	paraclock_sample sample{};
	paraclock *clk = nullptr;

	opts.size = sizeof(opts);
	opts.detail = detail;
	opts.detail_size = sizeof(detail);
	int ret = paraclock_open(&clk, &opts);
	std::unique_ptr<paraclock, closer> owner(clk);
	if (ret == 0) {
		std::printf("%s\n", paraclock_backend_name(clk));
		return paraclock_read(clk, &sample) != 0;
	}
	std::printf("%s: %s\n", paraclock_error_name(ret), detail);
	return clk != nullptr || detail[0] == '\0';
}
