// SPDX-License-Identifier: GPL-2.0-only
/*
 * datapath.c - what both halves need: libbpf's messages, pins, feature probes, counters.
 */
#include "edge/datapath_priv.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "edge/log.h"

#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"

/* libbpf's last complaint, for the user's error line. The loop's thread is the only writer. */
static char last_words[256];

static int on_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[sizeof(last_words)];
	size_t len;

	vsnprintf(text, sizeof(text), format, args);
	len = strcspn(text, "\n");
	text[len] = '\0';
	if (level == LIBBPF_WARN && len)
		snprintf(last_words, sizeof(last_words), "%s", text);
	if (level != LIBBPF_DEBUG)
		tcpc_log_debug("%s", text);
	return 0;
}

void tcpc_datapath_init(void)
{
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(on_libbpf);
}

int tcpc_datapath_load_error(int code, const char *what, struct tcpc_err *err)
{
	if (code == -EPERM)
		return tcpc_err_set(err, EPERM,
				    "the kernel does not let us load %s: run as root (CAP_BPF and "
				    "CAP_NET_ADMIN)",
				    what);
	return tcpc_err_set(err, -code, "cannot load %s: %s (%s)", what, strerror(-code),
			    last_words);
}

/* ---- features -------------------------------------------------------------------------------- */

static int probe_btf(void)
{
	return access(VMLINUX_BTF, R_OK) == 0;
}

static int probe_sched_cls(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SCHED_CLS, NULL);
}

static int probe_redirect_neigh(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect_neigh, NULL);
}

static int probe_skc_lookup(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_skc_lookup_tcp, NULL);
}

static int probe_request_sock(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_skc_to_tcp_request_sock,
				       NULL);
}

static int probe_lpm(void)
{
	return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_LPM_TRIE, NULL);
}

static int probe_raw_tracepoint(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL);
}

bool tcpc_datapath_has_tracepoints(void)
{
	return probe_raw_tracepoint() == 1;
}

/* TCX is there if the kernel knows the attach type: a bad program is then the first complaint. */
static int probe_tcx(void)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int prog, link;

	prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "probe", "GPL", insns, 2, NULL);
	if (prog < 0)
		return -errno;
	/* No interface has index 2^31 - 1, so nothing is ever attached. */
	link = bpf_link_create(prog, 0x7fffffff, (enum bpf_attach_type)46, &opts);
	close(prog);
	if (link >= 0) {
		close(link);
		return 1;
	}
	return errno == ENODEV;
}

static const struct feature {
	const char *name;
	int (*probe)(void);
	bool needed;
	const char *hint;
} features[] = {
	{"kernel BTF (" VMLINUX_BTF ")", probe_btf, true,
	 "a kernel built with CONFIG_DEBUG_INFO_BTF=y"},
	{"BPF TC programs", probe_sched_cls, true,
	 "root, and a kernel with CONFIG_BPF_SYSCALL=y and CONFIG_NET_CLS_BPF"},
	{"BPF helper bpf_redirect_neigh", probe_redirect_neigh, true, "Linux 5.10 or later"},
	{"BPF helper bpf_skc_lookup_tcp", probe_skc_lookup, true, "Linux 5.2 or later"},
	{"BPF helper bpf_skc_to_tcp_request_sock", probe_request_sock, true, "Linux 5.9 or later"},
	{"BPF longest-prefix maps", probe_lpm, true, "Linux 4.11 or later"},
	{"BPF programs on tracepoints", probe_raw_tracepoint, false,
	 "CONFIG_BPF_EVENTS=y; without it what a client sent just before it reset the connection "
	 "may "
	 "count as lost (aborted) though the target has read it"},
	{"TCX links", probe_tcx, false,
	 "Linux 6.6 or later; without it a clsact filter is used, which stays when the daemon is "
	 "killed (it then copies nothing)"},
};

void tcpc_datapath_each_feature(tcpc_datapath_feature cb, void *user)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		cb(user, features[i].name, features[i].probe(), features[i].needed,
		   features[i].hint);
}

static void require(void *user, const char *name, int present, bool needed, const char *hint)
{
	struct tcpc_err *err = user;

	if (needed && present != 1 && !err->code)
		tcpc_err_set(err, EOPNOTSUPP, "this kernel lacks %s; needed: %s", name, hint);
}

int tcpc_datapath_probe(struct tcpc_err *err)
{
	struct tcpc_err missing = {};

	tcpc_datapath_each_feature(require, &missing);
	if (!missing.code)
		return 0;
	/* EOPNOTSUPP would read as bad usage to the control socket: it is the machine, not the
	 * words. */
	return tcpc_err_set(err, ENOSYS, "%s", missing.text);
}

/* ---- pins ------------------------------------------------------------------------------------ */

static int pin_one(const char *dir, const struct tcpc_pin *pin, struct tcpc_err *err)
{
	char path[PATH_MAX + 32];
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, pin->name);
	r = bpf_map__pin(pin->map, path);
	if (r)
		return tcpc_err_set(err, -r, "cannot pin %s: %s", path, strerror(-r));
	return 0;
}

int tcpc_datapath_pin(const char *bpffs, const char *side, const struct tcpc_pin *pins,
		      unsigned int n_pins, char *ret_dir, struct tcpc_err *err)
{
	char dir[PATH_MAX];
	unsigned int n;
	int r = 0;

	if (snprintf(dir, sizeof(dir), "%s/%s", bpffs, side) >= (int)sizeof(dir))
		return tcpc_err_set(err, ENAMETOOLONG, "the path %s is too long", bpffs);
	if (mkdir(dir, 0700) && errno != EEXIST)
		return tcpc_err_set(err, errno, "cannot make %s: %s", dir, strerror(errno));
	for (n = 0; n < n_pins && !r; n++)
		r = pin_one(dir, &pins[n], err);
	if (r) {
		/* Only what was pinned here: the one in the way may belong to a living daemon. */
		for (unsigned int i = 0; i + 1 < n; i++)
			bpf_map__unpin(pins[i].map, NULL);
		rmdir(dir);
		return r;
	}
	memcpy(ret_dir, dir, strlen(dir) + 1);
	return 0;
}

int tcpc_datapath_pin_again(const char *dir, const char *name, int fd, struct tcpc_err *err)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!access(path, F_OK))
		return 0;
	if (mkdir(dir, 0700) && errno != EEXIST)
		return tcpc_err_set(err, errno, "cannot make %s: %s", dir, strerror(errno));
	if (bpf_obj_pin(fd, path))
		return tcpc_err_set(err, errno, "cannot pin %s: %s", path, strerror(errno));
	return 1;
}

int tcpc_datapath_pins_again(const char *dir, const struct tcpc_pin *pins, unsigned int n_pins,
			     struct tcpc_err *err)
{
	int r = 0, again = 0;

	for (unsigned int i = 0; i < n_pins && r >= 0; i++) {
		r = tcpc_datapath_pin_again(dir, pins[i].name, bpf_map__fd(pins[i].map), err);
		again |= r > 0;
	}
	return r < 0 ? r : again;
}

int tcpc_datapath_unpin(const char *dir)
{
	char path[PATH_MAX + 256];
	struct dirent *entry;
	DIR *d = opendir(dir);
	int removed = 0;

	if (!d)
		return 0;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (unlink(path))
			tcpc_log_warn("cannot remove %s: %s", path, strerror(errno));
		else
			removed++;
	}
	closedir(d);
	if (rmdir(dir))
		tcpc_log_warn("cannot remove %s: %s", dir, strerror(errno));
	return removed;
}

int tcpc_datapath_sweep(const char *bpffs, const char *side, struct tcpc_err *err)
{
	char dir[PATH_MAX];
	int filters, pins;

	if (snprintf(dir, sizeof(dir), "%s/%s", bpffs, side) >= (int)sizeof(dir))
		return tcpc_err_set(err, ENAMETOOLONG, "the path %s is too long", bpffs);
	if (access(dir, F_OK))
		return 0;
	filters = tcpc_datapath_sweep_filters(dir);
	pins = tcpc_datapath_unpin(dir);
	return filters + pins;
}

static int open_pinned(const char *bpffs, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", bpffs, name);
	return bpf_obj_get(path);
}

unsigned int tcpc_datapath_ports_before(const char *bpffs, __be16 *ret, unsigned int max)
{
	struct tcpc_service_key key, *last = NULL;
	int fd = open_pinned(bpffs, "target/services");
	unsigned int n = 0;

	while (fd >= 0 && n < max && !bpf_map_get_next_key(fd, last, &key)) {
		ret[n++] = key.port;
		last = &key;
	}
	if (fd >= 0)
		close(fd);
	return n;
}

bool tcpc_datapath_allowed_before(const char *bpffs, const struct tcpc_addr *client)
{
	struct tcpc_allow_key key = {.prefixlen = 128, .addr = *client};
	struct tcpc_allow value = {};
	int fd = open_pinned(bpffs, "target/allow");
	bool allowed;

	if (fd < 0)
		return false;
	allowed = !bpf_map_lookup_elem(fd, &key, &value) && value.state == TCPC_ALLOW_DIRECT;
	close(fd);
	return allowed;
}

/* ---- map access ------------------------------------------------------------------------------ */

int tcpc_datapath_write(struct bpf_map *map, const void *key, const void *value, const char *what,
			struct tcpc_err *err)
{
	int fd = bpf_map__fd(map);
	int r = value ? bpf_map_update_elem(fd, key, value, BPF_ANY) : bpf_map_delete_elem(fd, key);

	if (!r || (!value && errno == ENOENT))
		return 0;
	if (errno == ENOSPC || errno == E2BIG)
		return tcpc_err_set(err, ENOSPC, "too many %s: the map holds %u", what,
				    bpf_map__max_entries(map));
	return tcpc_err_set(err, errno, "cannot change %s: %s", what, strerror(errno));
}

int tcpc_datapath_sum(struct bpf_map *map, __u64 *counters, unsigned int n)
{
	int n_cpus = libbpf_num_possible_cpus();
	__u64 *values;
	__u32 key = 0;
	int r = 0;

	if (n_cpus < 0)
		return n_cpus;
	values = calloc(n_cpus, n * sizeof(*values));
	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(bpf_map__fd(map), &key, values))
		r = -errno;
	memset(counters, 0, n * sizeof(*counters));
	for (int cpu = 0; cpu < n_cpus && !r; cpu++)
		for (unsigned int i = 0; i < n; i++)
			counters[i] += values[cpu * n + i];
	free(values);
	return r;
}

void *tcpc_datapath_map_shared(struct bpf_map *map, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (p == MAP_FAILED)
		return NULL;
	return p;
}
