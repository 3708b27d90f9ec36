// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_config.c - any bytes as a configuration file, and as the one that follows it: what is taken
 * is applied, each request is a good one, and going to the same configuration again does nothing.
 *
 * Input: two files, with a byte 0xff between them.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "role/config.c"

#include "../harness/fuzz.h"

struct count {
	unsigned int run, done, failed;
};

static void run_one(void *user, struct json_object *request, struct tcpc_reply *reply)
{
	static const struct tcpc_err no = {.code = EIO, .text = "it does not please us"};
	struct count *count = user;
	struct tcpc_err err = {};

	MUST(!tcpc_command_check(request, &err));
	/* Every third fails: the others are done all the same. */
	if (++count->run % 3)
		reply->done(reply, json_object_new_object(), NULL);
	else
		reply->done(reply, NULL, &no);
}

static void on_applied(void *user, unsigned int failed, const struct tcpc_err *err)
{
	struct count *count = user;

	MUST(!failed == !err);
	count->done++;
	count->failed = failed;
}

static struct tcpc_config *load(const uint8_t *bytes, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct tcpc_config *config = NULL;
	struct tcpc_err err = {};
	char path[32];
	int r;

	MUST(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = tcpc_config_load(path, &config, &err);
	MUST(!r == !!config);
	if (r)
		MUST(err.code == -r && strlen(err.text) > 10 && !strchr(err.text, '\n'));
	close(fd);
	return config;
}

static void apply(const struct tcpc_config *old, const struct tcpc_config *next, struct count *ret)
{
	struct tcpc_err err = {};

	*ret = (struct count){};
	MUST(!tcpc_config_apply(old, next, run_one, on_applied, ret, &err));
	MUST(ret->done == 1 && ret->failed == ret->run / 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const uint8_t *cut = memchr(input, 0xff, size);
	size_t n = cut ? (size_t)(cut - input) : size;
	struct tcpc_config *first = load(input, n), *second = NULL;
	struct count count;

	if (cut)
		second = load(cut + 1, size - n - 1);
	if (first) {
		apply(NULL, first, &count);
		apply(first, first, &count);
		MUST(!count.run);
	}
	if (first && second)
		apply(first, second, &count);
	tcpc_config_free(first);
	tcpc_config_free(second);
	return 0;
}
