// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_spec_other.c - spec.h: detach, release, target, filter, allow.
 */
#include "../harness/spec_text.h"

/** One row of any of the tables: a line and what it comes to, or what is said about it. */
struct row {
	const char *line, *want; /* the spec as text, or a part of the error */
	int code;		 /* 0: it is good */
};

/** Reads @request with one of the functions and writes the spec to @text; checks that nothing is
 * written on failure. */
typedef int (*reader)(struct json_object *request, char *text, struct tcpc_err *err);

static const char *const verbs[] = {"list", "add", "del", "set"};

static void check_rows(const struct row *rows, size_t n, reader read)
{
	for (size_t i = 0; i < n; i++) {
		struct json_object *request = spec_text_request(rows[i].line);
		struct tcpc_err err = words_no_err;
		char text[SPEC_TEXT_BYTES] = "";
		int r = read(request, text, &err);

		if (rows[i].code)
			expect_error(rows[i].line, r, &err, rows[i].code, rows[i].want);
		else
			expect_success(rows[i].line, r, &err);
		if (!r && strcmp(text, rows[i].want))
			expect_fail("'%s': %s", rows[i].line, text);
		/* The same through the front door: it adds checks, and lets the good through. */
		expect_true(rows[i].line, "tcpc_command_check() agrees",
			    !tcpc_command_check(request, NULL) == !r);
		json_object_put(request);
	}
}

/* ---- detach and release ---------------------------------------------------------------------- */

static int read_iface(struct json_object *request, char *text, struct tcpc_err *err)
{
	struct tcpc_iface_spec got, before;
	int r;

	memset(&before, 0xa5, sizeof(before));
	memcpy(&got, &before, sizeof(got));
	r = tcpc_spec_iface(request, &got, err);
	if (r)
		assert_memory_equal(&got, &before, sizeof(got));
	else
		sprintf(text, "%s%s", got.iface, got.all ? "all" : "");
	return r;
}

static void test_iface(void **state)
{
	static const struct row rows[] = {
		{"detach eth0", "eth0", 0},
		{"release eth0", "eth0", 0},
		{"detach --all", "all", 0},
		{"release --all", "all", 0},
		{"detach all", "all", 0}, /* an interface of that name */
		{"detach", "detach needs an interface or --all", EINVAL},
		{"release", "release needs an interface or --all", EINVAL},
		{"detach eth0 --all", "detach needs an interface or --all, not both", EINVAL},
		{"release eth0 --all", "release needs an interface or --all, not both", EINVAL},
		{"detach eth0/1", "'eth0/1' is not an interface name", EINVAL},
		{"release ..", "'..' is not an interface name", EINVAL},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows), read_iface);
}

/* ---- target ---------------------------------------------------------------------------------- */

static int read_target(struct json_object *request, char *text, struct tcpc_err *err)
{
	struct tcpc_target_spec got, before;
	char target[TCPC_TEXT_BYTES];
	int r;

	memset(&before, 0xa5, sizeof(before));
	memcpy(&got, &before, sizeof(got));
	r = tcpc_spec_target(request, &got, err);
	if (r)
		assert_memory_equal(&got, &before, sizeof(got));
	else
		sprintf(text, "%s '%s' %s", verbs[got.verb], got.iface,
			got.verb == TCPC_VERB_LIST ? ""
						   : tcpc_text_from_endpoint(&got.target, target));
	return r;
}

static void test_target(void **state)
{
	static const struct row rows[] = {
		{"target list", "list '' ", 0},
		{"target list eth0", "list 'eth0' ", 0},
		{"target add eth0 10.0.0.9:80", "add 'eth0' 10.0.0.9:80", 0},
		{"target del eth0 10.0.0.9:80", "del 'eth0' 10.0.0.9:80", 0},
		{"target", "target is followed by list, add or del, not ''", EINVAL},
		{"target set eth0 10.0.0.9:80", "followed by list, add or del, not 'set'", EINVAL},
		{"target lis", "followed by list, add or del, not 'lis'", EINVAL},
		{"target or", "followed by list, add or del, not 'or'", EINVAL},
		{"target LIST", "followed by list, add or del, not 'LIST'", EINVAL},
		{"target list eth0 eth1", "usage: tcpcopyctl target list [IFACE]", EINVAL},
		{"target list eth0/1", "'eth0/1' is not an interface name", EINVAL},
		{"target add", "usage: tcpcopyctl target add|del IFACE IP:PORT", EINVAL},
		{"target add eth0", "usage: tcpcopyctl target add|del IFACE IP:PORT", EINVAL},
		{"target del eth0", "usage: tcpcopyctl target add|del IFACE IP:PORT", EINVAL},
		{"target add 10.0.0.9:80 eth0", "'eth0' is not IP:PORT", EINVAL},
		{"target add eth0:1 10.0.0.9:80", "'eth0:1' is not an interface name", EINVAL},
		{"target add eth0 10.0.0.9", "'10.0.0.9' is not IP:PORT", EINVAL},
		{"target add eth0 10.0.0.9:0", "'0' is not a port", EINVAL},
		{"target add eth0 10.0.0.9:80,10.0.0.8:80", "is not IP:PORT", EINVAL},
		{"target del eth0 [2001:db8::9]:80", "del 'eth0' [2001:db8::9]:80", 0},
		{"target add eth0 0.0.0.0:80", "'0.0.0.0:80' is the address of no host", EINVAL},
		{"target add eth0 [fe80::9]:80", "'[fe80::9]:80' is link-local", EINVAL},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows), read_target);
}

/* ---- filter ---------------------------------------------------------------------------------- */

static int read_filter(struct json_object *request, char *text, struct tcpc_err *err)
{
	struct tcpc_filter_cmd_spec got, before;
	struct spec_text t;
	int r;

	memset(&before, 0xa5, sizeof(before));
	memcpy(&got, &before, sizeof(got));
	r = tcpc_spec_filter(request, &got, err);
	if (r) {
		assert_memory_equal(&got, &before, sizeof(got));
		return r;
	}
	t = spec_text_begin(text);
	spec_text_add(&t, "%s '%s'", verbs[got.verb], got.iface);
	spec_text_filter(&t, &got.filter);
	tcpc_spec_filter_free(&got);
	return 0;
}

#define SET_USAGE                                                                                  \
	"usage: tcpcopyctl filter set IFACE [--percent P [--ramp SECONDS]] "                       \
	"[--sample-by client|connection] "                                                         \
	"[--client CIDR,...] [--exclude "                                                          \
	"CIDR,...] [--local ADDR,...] [--vlan N,...] [--max-pps N] [--max-mbps N] [--max-cpu "     \
	"PERCENT]"

static void test_filter(void **state)
{
	static const struct row rows[] = {
		{"filter list", "list '' sample 10000", 0},
		{"filter list eth0", "list 'eth0' sample 10000", 0},
		{"filter set eth0 --percent 0.01", "set 'eth0' sample=1", 0},
		{"filter set eth0 --percent 100", "set 'eth0' sample=10000", 0},
		{"filter set eth0 --client 10.0.0.0/8,11.0.0.0/8",
		 "set 'eth0' sample 10000 clients=10.0.0.0/8,11.0.0.0/8,", 0},
		{"filter set eth0 --exclude 0.0.0.0/0",
		 "set 'eth0' sample 10000 excludes=0.0.0.0/0,", 0},
		{"filter set eth0 --max-pps 0", "set 'eth0' sample 10000 pps=0", 0},
		{"filter set eth0 --max-mbps 9", "set 'eth0' sample 10000 mbps=9", 0},
		{"filter set eth0 --max-cpu 50", "set 'eth0' sample 10000 cpu=50", 0},
		{"filter list --max-cpu 50", "filter list takes no options", EINVAL},
		{"filter set eth0 --local 10.0.0.1,2001:db8::1",
		 "set 'eth0' sample 10000 locals=10.0.0.1/32,2001:db8::1/128,", 0},
		{"filter set eth0 --local=", "set 'eth0' sample 10000 locals=", 0},
		{"filter set eth0 --vlan 0,7,4094", "set 'eth0' sample 10000 vlans=0,7,4094,", 0},
		{"filter set eth0 --vlan=", "set 'eth0' sample 10000 vlans=", 0},
		{"filter set eth0 --vlan 1,2,3,4,5,6,7,8,9", "more than 8 VLANs", EINVAL},
		{"filter set eth0 --percent 50 --ramp 60", "set 'eth0' sample=5000 ramp=60", 0},
		{"filter set eth0 --ramp 60", "to come to --percent P: give both", EINVAL},
		{"filter set eth0 --percent 50 --ramp 0", "seconds from 1 to 86400, not '0'",
		 EINVAL},
		{"filter list --vlan 5", "filter list takes no options", EINVAL},
		{"filter list --local=", "filter list takes no options", EINVAL},
		{"filter set eth0 --max-pps 1k", "--max-pps is a number from 1 to", EINVAL},
		/* All clients again, and none excluded any more. */
		{"filter set eth0 --client=", "set 'eth0' sample 10000 clients=", 0},
		{"filter set eth0 --exclude=", "set 'eth0' sample 10000 excludes=", 0},
		{"filter set eth0 --percent 5 --client 10.0.0.0/8 --exclude 10.1.0.0/16",
		 "set 'eth0' sample=500 clients=10.0.0.0/8, excludes=10.1.0.0/16,", 0},
		/* A part of it is no contradiction, the same is. */
		{"filter set eth0 --client 10.0.0.0/8 --exclude 10.0.0.0/9",
		 "set 'eth0' sample 10000 clients=10.0.0.0/8, excludes=10.0.0.0/9,", 0},
		{"filter set eth0 --client 10.0.0.9 --exclude 11.0.0.0/8,10.0.0.9/32",
		 "10.0.0.9/32 stands in both --client and --exclude", EINVAL},
		{"filter", "filter is followed by list or set, not ''", EINVAL},
		{"filter add eth0 --percent 5", "followed by list or set, not 'add'", EINVAL},
		{"filter list --percent 5", "filter list takes no options", EINVAL},
		{"filter list eth0 --client=", "filter list takes no options", EINVAL},
		{"filter list eth0/1", "'eth0/1' is not an interface name", EINVAL},
		{"filter set", SET_USAGE, EINVAL},
		{"filter set eth0", SET_USAGE, EINVAL},
		{"filter set --percent 5", SET_USAGE, EINVAL},
		{"filter set eth0 eth1 --percent 5", SET_USAGE, EINVAL},
		{"filter set eth0:1 --client 10.0.0.0/8", "'eth0:1' is not an inter", EINVAL},
		{"filter set eth0 --percent 100.01", "'100.01' is not a percentage", EINVAL},
		{"filter set eth0 --client 10.0.0.0/33", "the prefix length is a number", EINVAL},
		{"filter set eth0 --client 10.0.0.0/8,", "'' is not a prefix", EINVAL},
		{"filter set eth0 --client ,", "'' is not a prefix", EINVAL},
		{"filter set eth0 --client 10.0.0.0/8,::1",
		 "set 'eth0' sample 10000 clients=10.0.0.0/8,::1/128,", 0},
		{"filter set eth0 --exclude ::/0", "'::/0' would mean IPv4 too", EINVAL},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows), read_filter);
}

/* ---- allow ----------------------------------------------------------------------------------- */

static int read_allow(struct json_object *request, char *text, struct tcpc_err *err)
{
	struct tcpc_allow_spec got, before;
	struct spec_text t;
	int r;

	memset(&before, 0xa5, sizeof(before));
	memcpy(&got, &before, sizeof(got));
	r = tcpc_spec_allow(request, &got, err);
	if (r) {
		assert_memory_equal(&got, &before, sizeof(got));
		return r;
	}
	t = spec_text_begin(text);
	spec_text_add(&t, "%s", verbs[got.verb]);
	spec_text_prefixes(&t, "prefixes", true, &got.prefixes);
	tcpc_spec_allow_free(&got);
	return 0;
}

static void test_allow(void **state)
{
	static const struct row rows[] = {
		{"allow list", "list prefixes=", 0},
		{"allow add 10.0.0.0/8", "add prefixes=10.0.0.0/8,", 0},
		{"allow del 10.0.0.9", "del prefixes=10.0.0.9/32,", 0},
		{"allow add 0.0.0.0/0", "add prefixes=0.0.0.0/0,", 0},
		{"allow add 10.0.0.9 10.0.0.0/8 11.0.0.0/8",
		 "add prefixes=10.0.0.9/32,10.0.0.0/8,11.0.0.0/8,", 0},
		{"allow", "allow is followed by list, add or del, not ''", EINVAL},
		{"allow set 10.0.0.0/8", "followed by list, add or del, not 'set'", EINVAL},
		{"allow list 10.0.0.0/8", "usage: tcpcopyctl allow list", EINVAL},
		{"allow add", "usage: tcpcopyctl allow add|del CIDR...", EINVAL},
		{"allow del", "usage: tcpcopyctl allow add|del CIDR...", EINVAL},
		{"allow add 198.18.0.0/33", "'198.18.0.0/33': the prefix length is", EINVAL},
		{"allow add 2001:db8::/129", "'2001:db8::/129': the prefix length is", EINVAL},
		{"allow add 198.18.18.1/24", "do you mean 198.18.18.0/24?", EINVAL},
		{"allow add 198.18.1.0/24 nonsense", "'nonsense' is not a prefix", EINVAL},
		{"allow add 10.0.0.0/8,11.0.0.0/8", "prefixes of allow are words of their own",
		 EINVAL},
		{"allow add 10.0.0.0/8 11.0.0.0/8 10.0.0.0/8", "10.0.0.0/8 is given twice", EINVAL},
		{"allow del 10.0.0.9 10.0.0.9/32", "10.0.0.9/32 is given twice", EINVAL},
		{"allow add 10.0.0.0/8 2001:db8::/32 fe80::/10",
		 "add prefixes=10.0.0.0/8,2001:db8::/32,fe80::/10,", 0},
		{"allow add ::/0", "'::/0' would mean IPv4 too", EINVAL},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows), read_allow);
}

/* A spec that was never filled, and one that was freed already. */
static void test_freeing(void **state)
{
	struct tcpc_filter_cmd_spec filter = {};
	struct tcpc_attach_spec attach = {};
	struct tcpc_allow_spec allow = {};
	struct json_object *request = words_request("allow add 10.0.0.0/8");

	(void)state;
	tcpc_spec_filter_free(&filter);
	tcpc_spec_attach_free(&attach);
	tcpc_spec_allow_free(&allow);
	assert_int_equal(tcpc_spec_allow(request, &allow, NULL), 0);
	assert_int_equal(allow.prefixes.n, 1);
	tcpc_spec_allow_free(&allow);
	assert_int_equal(allow.prefixes.n, 0);
	tcpc_spec_allow_free(&allow);
	json_object_put(request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iface),	cmocka_unit_test(test_target),
		cmocka_unit_test(test_filter),	cmocka_unit_test(test_allow),
		cmocka_unit_test(test_freeing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
