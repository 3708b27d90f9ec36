// SPDX-License-Identifier: GPL-2.0-only
/* test_probe.c - facts that the test has made, or reads in another way. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include "netns.h"
#include "edge/probe.h"

static char dir[] = "/tmp/tcpcopy-probe-XXXXXX";

static int set_up(void **state)
{
	return enter_netns(state) || !mkdtemp(dir) ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	return run_command("rm -r %s", dir);
}

static const char *below(const char *name)
{
	static char path[2][256];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s%s", dir, name);
	return path[turn];
}

static void test_btf(void **state)
{
	(void)state;
	assert_int_equal(tcpc_probe_btf(), !run_command("test -r /sys/kernel/btf/vmlinux"));
}

/* Not on a bpffs: nothing is created, and the user learns what to type. */
static void test_bpffs_elsewhere(void **state)
{
	struct tcpc_err err;
	struct stat st;

	(void)state;
	assert_int_equal(tcpc_probe_on_bpffs(dir), 0);
	assert_int_equal(tcpc_probe_on_bpffs(below("/not/there")), 0);
	assert_int_equal(tcpc_probe_on_bpffs("relative"), -EINVAL);
	assert_int_equal(tcpc_probe_bpffs(below("/not/there"), &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "mount -t bpf bpf /tmp/"));
	assert_int_equal(stat(below("/not"), &st), -1);
	assert_int_equal(tcpc_probe_bpffs("relative", &err), -EINVAL);
	assert_non_null(strstr(err.text, "'relative'"));
	assert_int_equal(tcpc_probe_bpffs("", &err), -EINVAL);
	assert_int_equal(tcpc_probe_bpffs("/", &err), -ENOTSUP);
	assert_int_equal(tcpc_probe_bpffs("/etc/passwd", &err), -ENOTDIR);
	assert_int_equal(tcpc_probe_bpffs("/etc/passwd/x", &err), -ENOTDIR);
}

static void assert_private_dir(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void test_bpffs_mounted(void **state)
{
	struct tcpc_err err;

	(void)state;
	need_netns();
	assert_int_equal(mkdir(below("/fs"), 0700), 0);
	assert_int_equal(mount("bpf", below("/fs"), "bpf", 0, NULL), 0);
	assert_int_equal(tcpc_probe_on_bpffs(below("/fs/a/b")), 1);
	assert_int_equal(tcpc_probe_bpffs(below("/fs/a/b"), &err), 0);
	assert_private_dir(below("/fs/a"));
	assert_private_dir(below("/fs/a/b"));
	assert_int_equal(tcpc_probe_bpffs(below("/fs/a/b"), &err), 0); /* again */
	assert_int_equal(tcpc_probe_bpffs(below("/fs/a/c/"), &err), 0);
	assert_private_dir(below("/fs/a/c"));
	assert_int_equal(tcpc_probe_bpffs(below("/fs"), &err), 0);
	assert_int_equal(tcpc_probe_bpffs(below("/fs/a.b"), &err), -EPERM);
	assert_non_null(strstr(err.text, "no '.' in names"));
	assert_int_equal(umount(below("/fs")), 0);
}

/* The usual place is made ready. In this mount namespace only. */
static void test_bpffs_mounts(void **state)
{
	struct tcpc_err err;

	(void)state;
	need_netns();
	while (tcpc_probe_on_bpffs("/sys/fs/bpf") == 1)
		assert_int_equal(umount2("/sys/fs/bpf", MNT_DETACH), 0);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(tcpc_probe_bpffs("/sys/fs/bpf/tcpcopy-test", &err), -EPERM);
	assert_int_equal(seteuid(0), 0);
	assert_non_null(strstr(err.text, "as root: mount -t bpf bpf /sys/fs/bpf"));
	assert_int_equal(tcpc_probe_bpffs("/sys/fs/bpf/tcpcopy-test/online", &err), 0);
	assert_int_equal(tcpc_probe_on_bpffs("/sys/fs/bpf"), 1);
	assert_private_dir("/sys/fs/bpf");
	assert_private_dir("/sys/fs/bpf/tcpcopy-test/online");
	assert_int_equal(umount("/sys/fs/bpf"), 0);
}

static void test_sysctl(void **state)
{
	long value = -7;

	(void)state;
	assert_int_equal(tcpc_probe_sysctl("no/such/setting", &value), -ENOENT);
	assert_int_equal(tcpc_probe_sysctl("net/ipv4/tcp_rmem", &value), -EINVAL); /* three */
	assert_int_equal(tcpc_probe_sysctl("kernel/ostype", &value), -EINVAL);
	assert_int_equal(value, -7);
	assert_int_equal(tcpc_probe_sysctl("kernel/pid_max", &value), 0);
	assert_true(value > 0);
}

static void test_sysctls(void **state)
{
	static const struct {
		int all, own, in_force;
	} cases[] = {{0, 0, 0}, {1, 0, 1}, {0, 2, 2}, {2, 1, 2}};
	struct tcpc_probe_sysctls facts;
	unsigned int i;

	(void)state;
	need_netns();
	assert_int_equal(run_command("ip link add v.0 type veth peer name v1"), 0);
	assert_int_equal(run_command("cd /proc/sys/net && echo 1 > ipv4/ip_forward &&"
				     "echo 333 > core/somaxconn && echo 2 > ipv4/tcp_syncookies"),
			 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run_command("cd /proc/sys/net/ipv4/conf && echo %d > all/rp_filter"
					     " && echo %d > v.0/rp_filter",
					     cases[i].all, cases[i].own),
				 0);
		tcpc_probe_sysctls("v.0", &facts);
		assert_int_equal(facts.rp_filter, cases[i].in_force);
		tcpc_probe_sysctls(NULL, &facts);
		assert_int_equal(facts.rp_filter, cases[i].all);
	}
	assert_int_equal(facts.ip_forward, 1);
	assert_int_equal(facts.somaxconn, 333);
	assert_int_equal(facts.tcp_syncookies, 2);
	assert_int_equal(facts.netdev_max_backlog == -1,
			 !!run_command("test -e /proc/sys/net/core/netdev_max_backlog"));
}

static const struct {
	const char *script;
	enum tcpc_probe_iptables variant;
	const char *name;
} programs[] = {
	{"echo 'iptables v1.8.9 (nf_tables)'", TCPC_PROBE_IPTABLES_NFT, "nf_tables"},
	{"echo 'iptables v1.8.9 (legacy)'", TCPC_PROBE_IPTABLES_LEGACY, "legacy"},
	{"echo 'iptables v1.6.1'", TCPC_PROBE_IPTABLES_LEGACY, "legacy"},
	{"echo 'something else'", TCPC_PROBE_IPTABLES_UNKNOWN, "unknown"},
	{"yes iptables v", TCPC_PROBE_IPTABLES_LEGACY, "legacy"}, /* endless: cut and killed */
	{"echo 'iptables v1.8.9 (nf_tables)' >&2", TCPC_PROBE_IPTABLES_UNKNOWN, "unknown"},
	{"exec sleep 60", TCPC_PROBE_IPTABLES_UNKNOWN, "unknown"}, /* given up */
	{NULL, TCPC_PROBE_IPTABLES_MISSING, "missing"},
};

static void test_iptables(void **state)
{
	time_t begun = time(NULL);
	unsigned int i;
	FILE *file;

	(void)state;
	setenv("TCPCOPY_IPTABLES", below("/fake"), 1);
	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (programs[i].script) {
			file = fopen(below("/fake"), "we");
			fprintf(file, "#!/bin/sh\n%s\n", programs[i].script);
			fclose(file);
			assert_int_equal(chmod(below("/fake"), 0755), 0);
		} else {
			assert_int_equal(unlink(below("/fake")), 0);
		}
		assert_int_equal(tcpc_probe_iptables(), programs[i].variant);
		assert_string_equal(tcpc_probe_iptables_name(programs[i].variant),
				    programs[i].name);
	}
	assert_true(time(NULL) - begun < 30);
	unsetenv("TCPCOPY_IPTABLES");
}

/* The real ones, where they are. */
static void test_iptables_real(void **state)
{
	(void)state;
	if (run_command("command -v iptables-nft iptables-legacy > /dev/null")) {
		print_message("skipped: not both variants of iptables are installed\n");
		skip();
	}
	setenv("TCPCOPY_IPTABLES", "iptables-nft", 1);
	assert_int_equal(tcpc_probe_iptables(), TCPC_PROBE_IPTABLES_NFT);
	assert_int_equal(tcpc_probe_ip6tables(), TCPC_PROBE_IPTABLES_NFT);
	setenv("TCPCOPY_IPTABLES", "iptables-legacy", 1);
	assert_int_equal(tcpc_probe_iptables(), TCPC_PROBE_IPTABLES_LEGACY);
	assert_int_equal(tcpc_probe_ip6tables(), TCPC_PROBE_IPTABLES_LEGACY);
	setenv("TCPCOPY_IPTABLES", "/no/such/iptables", 1);
	assert_int_equal(tcpc_probe_ip6tables(), TCPC_PROBE_IPTABLES_MISSING);
	setenv("TCPCOPY_IPTABLES", "/bin/false", 1);
	assert_int_equal(tcpc_probe_ip6tables(), TCPC_PROBE_IPTABLES_UNKNOWN);
	unsetenv("TCPCOPY_IPTABLES");
}

static void test_xt(void **state)
{
	(void)state;
	need_netns();
	assert_int_equal(tcpc_probe_xt_match("no-such-match"), TCPC_PROBE_UNKNOWN);
	assert_int_equal(tcpc_probe_xt_target("no-such-target"), TCPC_PROBE_UNKNOWN);
	assert_int_equal(tcpc_probe_xt_match("bpf") == TCPC_PROBE_YES,
			 !run_command("grep -qx bpf /proc/net/ip_tables_matches"));
	assert_int_equal(tcpc_probe_xt_target("NFQUEUE") == TCPC_PROBE_YES,
			 !run_command("grep -qx NFQUEUE /proc/net/ip_tables_targets"));
}

static struct mnl_socket *bind_queue(unsigned int queue)
{
	const struct nfqnl_msg_config_cmd cmd = {.command = NFQNL_CFG_CMD_BIND};
	char buf[MNL_NLMSG_HDRLEN + 128] __attribute__((aligned(8))), answer[1024];
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	int n;

	assert_non_null(nl);
	nlh->nlmsg_type = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_CONFIG;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nfg->res_id = __builtin_bswap16(queue);
	mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(cmd), &cmd);
	assert_int_equal(mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), 0);
	assert_true(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0);
	n = mnl_socket_recvfrom(nl, answer, sizeof(answer));
	assert_true(n > 0);
	assert_int_equal(mnl_cb_run(answer, n, 0, 0, NULL, NULL), 0);
	return nl;
}

static void test_queue_owner(void **state)
{
	unsigned int portid = 0;
	struct mnl_socket *nl;

	(void)state;
	need_netns();
	if (!tcpc_probe_nfqueue()) {
		print_message("skipped: kernel without NFQUEUE\n");
		skip();
	}
	assert_int_equal(tcpc_probe_nfqueue(), 1);
	assert_int_equal(tcpc_probe_queue_owner(1234, &portid), 0);
	nl = bind_queue(1234);
	assert_int_equal(tcpc_probe_queue_owner(123, &portid), 0);
	assert_int_equal(tcpc_probe_queue_owner(1235, &portid), 0);
	assert_int_equal(portid, 0);
	assert_int_equal(tcpc_probe_queue_owner(1234, &portid), 1);
	assert_int_equal(portid, mnl_socket_get_portid(nl));
	mnl_socket_close(nl);
	assert_int_equal(tcpc_probe_queue_owner(1234, &portid), 0);
	/* The probe itself does no harm to a queue of that number. */
	nl = bind_queue(65535);
	assert_int_equal(tcpc_probe_nfqueue(), 1);
	assert_int_equal(tcpc_probe_queue_owner(65535, &portid), 1);
	mnl_socket_close(nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_btf),
		cmocka_unit_test(test_bpffs_elsewhere),
		cmocka_unit_test(test_bpffs_mounted),
		cmocka_unit_test(test_bpffs_mounts),
		cmocka_unit_test(test_sysctl),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_iptables),
		cmocka_unit_test(test_iptables_real),
		cmocka_unit_test(test_xt),
		cmocka_unit_test(test_queue_owner),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
