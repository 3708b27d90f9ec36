// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe.c - see probe.h. Most of it reads files of /proc and /sys: they are what the kernel itself
 * says, and most of them can be read without privileges, before anything is set up.
 */
#include "edge/probe.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <linux/sockios.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/magic.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include "core/text.h"

#define BPFFS "/sys/fs/bpf"
#define QUEUES_FILE "/proc/net/netfilter/nfnetlink_queue"
#define TIMEOUT_MS 2000
#define NETSTAT_BYTES 16384

bool tcpc_probe_btf(void)
{
	return !access("/sys/kernel/btf/vmlinux", R_OK);
}

/* Shorten @path, in place, to what of it exists. Returns 0 or -errno. */
static int nearest_existing(char *path)
{
	struct stat st;
	char *slash;

	while (stat(path, &st)) {
		if (errno != ENOENT)
			return -errno;
		slash = strrchr(path, '/');
		slash[slash == path] = '\0'; /* "/" stays, and exists */
	}
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* 1, 0 or -errno. A directory can look right and be an ordinary one: only the file system tells. */
static int is_bpffs(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs))
		return -errno;
	return fs.f_type == BPF_FS_MAGIC;
}

int tcpc_probe_on_bpffs(const char *path)
{
	char existing[PATH_MAX];
	int r;

	if (path[0] != '/' || strlen(path) >= sizeof(existing))
		return -EINVAL;
	strcpy(existing, path);
	r = nearest_existing(existing);
	return r && r != -ENOTDIR ? r : is_bpffs(existing);
}

/* @existing: the nearest parent of @dir that there is, not on a bpffs. */
static int mount_bpffs(const char *dir, const char *existing, struct tcpc_err *err)
{
	char real[PATH_MAX];

	/* Only the usual place is mounted unasked: elsewhere a mount would hide what lies there. */
	if (!realpath(existing, real) || strcmp(real, BPFFS))
		return tcpc_err_set(err, ENOTSUP,
				    "%s is not on a bpf file system; name a directory in " BPFFS
				    ", or: mkdir -p %s && mount -t bpf bpf %s",
				    dir, dir, dir);
	/* As systemd does it. Whoever can write here could put his own maps in place of ours. */
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, "mode=0700"))
		return tcpc_err_set(err, errno,
				    "cannot mount a bpf file system on " BPFFS ": %s; as root: "
				    "mount -t bpf bpf " BPFFS,
				    strerror(errno));
	return 0;
}

/* mkdir -p of what comes behind the first @existing_bytes of @dir. */
static int make_dirs(const char *dir, size_t existing_bytes, struct tcpc_err *err)
{
	char path[PATH_MAX];
	char *slash;

	strcpy(path, dir);
	for (slash = strchr(path + existing_bytes, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) && errno != EEXIST)
			break;
		*slash = '/';
	}
	if (!slash && (!mkdir(path, 0700) || errno == EEXIST))
		return 0;
	return tcpc_err_set(err, errno, "cannot create %s: %s", path, strerror(errno));
}

int tcpc_probe_bpffs(const char *dir, struct tcpc_err *err)
{
	char existing[PATH_MAX];
	int r;

	if (dir[0] != '/' || strlen(dir) >= sizeof(existing))
		return tcpc_err_set(err, EINVAL, "'%s' is no absolute path of a directory", dir);
	strcpy(existing, dir);
	r = nearest_existing(existing);
	if (!r)
		r = is_bpffs(existing);
	/* bpffs refuses even to look for them: such names are the kernel's own. */
	if (r == -EPERM && strchr(dir, '.'))
		return tcpc_err_set(err, EPERM,
				    "cannot use %s: a bpf file system allows no '.' in names", dir);
	if (r < 0)
		return tcpc_err_set(err, -r, "cannot use %s: %s: %s", dir, existing, strerror(-r));
	if (!r) {
		r = mount_bpffs(dir, existing, err);
		if (r)
			return r;
	}
	return make_dirs(dir, strlen(existing), err);
}

int tcpc_probe_sysctl(const char *name, long *ret)
{
	char path[PATH_MAX], text[32] = "";
	ssize_t n;
	char *end;
	long value;
	int fd;

	if (snprintf(path, sizeof(path), "/proc/sys/%s", name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* One read: the kernel makes the text anew for each. */
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	value = strtol(text, &end, 10);
	if (end == text || (*end && *end != '\n'))
		return -EINVAL;
	*ret = value;
	return 0;
}

int tcpc_probe_read(const char *path, char *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && used < size - 1) {
		n = read(fd, ret + used, size - 1 - used);
		used += n > 0 ? n : 0;
	}
	close(fd);
	ret[used] = '\0';
	return n < 0 ? -EIO : 0;
}

void tcpc_probe_netstat(struct tcpc_netstat *ret)
{
	char text[NETSTAT_BYTES];

	if (tcpc_probe_read("/proc/net/netstat", text, sizeof(text)))
		text[0] = '\0';
	tcpc_netstat_parse(text, ret);
}

bool tcpc_probe_lro(const char *iface)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq ifr = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool lro = false;

	if (fd < 0)
		return false;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", iface);
	ifr.ifr_data = (void *)&value;
	lro = !ioctl(fd, SIOCETHTOOL, &ifr) && (value.data & ETH_FLAG_LRO);
	close(fd);
	return lro;
}

static int sysctl_or_unknown(const char *name)
{
	long value;

	return tcpc_probe_sysctl(name, &value) || value < 0 || value > INT_MAX ? -1 : (int)value;
}

void tcpc_probe_sysctls(const char *iface, struct tcpc_probe_sysctls *ret)
{
	char name[128];
	int own = -1;

	ret->rp_filter = sysctl_or_unknown("net/ipv4/conf/all/rp_filter");
	if (iface) {
		snprintf(name, sizeof(name), "net/ipv4/conf/%s/rp_filter", iface);
		own = sysctl_or_unknown(name);
	}
	if (own > ret->rp_filter)
		ret->rp_filter = own;
	ret->ip_forward = sysctl_or_unknown("net/ipv4/ip_forward");
	ret->somaxconn = sysctl_or_unknown("net/core/somaxconn");
	ret->netdev_max_backlog = sysctl_or_unknown("net/core/netdev_max_backlog");
	ret->tcp_syncookies = sysctl_or_unknown("net/ipv4/tcp_syncookies");
}

/* Monotonic: setting the clock must not end or stretch a wait. */
static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Read @fd to its end, until @deadline at most. Returns 0 or -ETIMEDOUT. */
static int read_all(int fd, char *buf, size_t size, long deadline_ms)
{
	struct pollfd waiting = {.fd = fd, .events = POLLIN};
	size_t used = 0;
	ssize_t n = 1;
	long left;

	while (n > 0 && used < size - 1) {
		left = deadline_ms - now_ms();
		if (left <= 0 || poll(&waiting, 1, left) <= 0)
			return -ETIMEDOUT;
		n = read(fd, buf + used, size - 1 - used);
		used += n > 0 ? n : 0;
	}
	buf[used] = '\0';
	return 0;
}

/* Start @program -V with its stdout in @write_fd. Returns 0 or -errno. By posix_spawn and not by
 * libuv: one short answer is wanted at once. The loop waits for its own children only, so that
 * ours is not taken from us. */
static int spawn_version(const char *program, int write_fd, pid_t *ret_pid)
{
	char *const argv[] = {(char *)program, "-V", NULL};
	posix_spawn_file_actions_t actions;
	int r;

	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, write_fd, STDOUT_FILENO);
	if (!r)
		r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY,
						     0);
	if (!r)
		r = posix_spawnp(ret_pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* What @program -V prints. Returns 0 or -errno. */
static int read_version(const char *program, char *buf, size_t size)
{
	long deadline_ms = now_ms() + TIMEOUT_MS;
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	r = spawn_version(program, fds[1], &pid);
	close(fds[1]);
	if (!r) {
		r = read_all(fds[0], buf, size, deadline_ms);
		/* Whatever still runs has had its time. */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(fds[0]);
	return r;
}

/* @name: what the program calls itself, "iptables v". */
static enum tcpc_probe_iptables variant_of(const char *program, const char *name)
{
	char version[256];
	int r = read_version(program, version, sizeof(version));

	if (r == -ENOENT)
		return TCPC_PROBE_IPTABLES_MISSING;
	if (r || strncmp(version, name, strlen(name)))
		return TCPC_PROBE_IPTABLES_UNKNOWN;
	/* Before 1.8 there was only one, and it said nothing of variants. */
	return strstr(version, "(nf_tables)") ? TCPC_PROBE_IPTABLES_NFT
					      : TCPC_PROBE_IPTABLES_LEGACY;
}

static const char *iptables_program(void)
{
	const char *program = getenv("TCPCOPY_IPTABLES");

	return program && *program ? program : "iptables";
}

enum tcpc_probe_iptables tcpc_probe_iptables(void)
{
	return variant_of(iptables_program(), "iptables v");
}

enum tcpc_probe_iptables tcpc_probe_ip6tables(void)
{
	char program[PATH_MAX];

	if (tcpc_text_ip6tables(iptables_program(), program, sizeof(program)))
		return TCPC_PROBE_IPTABLES_UNKNOWN;
	return variant_of(program, "ip6tables v");
}

bool tcpc_probe_ipv6(void)
{
	return !access("/proc/net/if_inet6", F_OK);
}

const char *tcpc_probe_iptables_name(enum tcpc_probe_iptables variant)
{
	static const char *const names[] = {
		[TCPC_PROBE_IPTABLES_MISSING] = "missing",
		[TCPC_PROBE_IPTABLES_NFT] = "nf_tables",
		[TCPC_PROBE_IPTABLES_LEGACY] = "legacy",
		[TCPC_PROBE_IPTABLES_UNKNOWN] = "unknown",
	};

	return names[variant];
}

/* The files list what is loaded; what is missing may be loaded when a rule first asks for it. */
static enum tcpc_probe_answer find_line(const char *path, const char *wanted)
{
	enum tcpc_probe_answer answer = TCPC_PROBE_UNKNOWN;
	FILE *file = fopen(path, "re");
	char line[64];

	if (!file)
		return answer;
	while (answer == TCPC_PROBE_UNKNOWN && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, wanted))
			answer = TCPC_PROBE_YES;
	}
	fclose(file);
	return answer;
}

enum tcpc_probe_answer tcpc_probe_xt_match(const char *name)
{
	return find_line("/proc/net/ip_tables_matches", name);
}

enum tcpc_probe_answer tcpc_probe_xt_target(const char *name)
{
	return find_line("/proc/net/ip_tables_targets", name);
}

/* Ask for the end of a queue that we do not have: harmless, and to answer it the kernel loads the
 * module. Returns the kernel's -errno, or that of asking. */
static int unbind_nothing(struct mnl_socket *nl)
{
	const struct nfqnl_msg_config_cmd cmd = {.command = NFQNL_CFG_CMD_UNBIND};
	char buf[MNL_NLMSG_HDRLEN + 128] __attribute__((aligned(8))), answer[1024];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	int n;

	nlh->nlmsg_type = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_CONFIG;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nfg->res_id = 0xffff; /* the same in both byte orders */
	mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(cmd), &cmd);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(nl, answer, sizeof(answer));
	if (n < 0)
		return -errno;
	return mnl_cb_run(answer, n, 0, mnl_socket_get_portid(nl), NULL, NULL) < 0 ? -errno : 0;
}

int tcpc_probe_nfqueue(void)
{
	const struct timeval limit = {.tv_usec = TIMEOUT_MS % 1000, .tv_sec = TIMEOUT_MS / 1000};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int r;

	if (!nl)
		return errno == EPROTONOSUPPORT ? 0 : -errno;
	if (setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		r = -errno;
	else
		r = unbind_nothing(nl);
	mnl_socket_close(nl);
	if (!access(QUEUES_FILE, F_OK))
		return 1;
	/* ENODEV: no such queue. EINVAL: netfilter knows of no such subsystem. */
	if (r == -ENODEV || !r)
		return 1;
	return r == -EINVAL ? 0 : r;
}

int tcpc_probe_queue_owner(unsigned int queue, unsigned int *ret_portid)
{
	FILE *file = fopen(QUEUES_FILE, "re");
	unsigned int number, portid;
	char line[256];
	int r = 0;

	if (!file)
		return errno == ENOENT ? 0 : -errno; /* nobody can have queues without the module */
	/* Columns: queue number, peer's port id, then lengths and counters. */
	while (!r && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%u %u", &number, &portid) == 2 && number == queue) {
			*ret_portid = portid;
			r = 1;
		}
	}
	fclose(file);
	return r;
}
