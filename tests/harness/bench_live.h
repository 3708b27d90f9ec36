/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench_live.h - what benchmarks of whole packet paths share: frames that an XDP program lets go
 * (BPF_F_TEST_XDP_LIVE_FRAMES), objects of tests/bench, and figures of several rounds.
 */
#ifndef TCPCOPY_TESTS_BENCH_LIVE_H
#define TCPCOPY_TESTS_BENCH_LIVE_H

#include "bpf_run.h"

#define LIVE_FRAMES (1u << 1) /* BPF_F_TEST_XDP_LIVE_FRAMES, in linux/bpf.h since 5.18 */

/** live_run - let XDP program @fd have @frame @repeat times, as if it came in by @ifindex; what it
 * passes on, sends or redirects really goes there. Returns nanoseconds a packet, all of that
 * included; fails the benchmark if the program cannot be run. */
static inline double live_run(const char *row, int fd, int ifindex, const struct frame *frame,
			      __u32 repeat)
{
	struct xdp_md xdp = {.data_end = frame->bytes, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->bytes,
		    .ctx_in = &xdp, .ctx_size_in = sizeof(xdp), .repeat = repeat,
		    .flags = LIVE_FRAMES);

	if (bpf_prog_test_run_opts(fd, &opts))
		expect_fail("%s: %s", row, strerror(errno));
	return opts.duration;
}

/** live_object - load @name.bpf.o of tests/bench; fails the benchmark if it is not there. */
static inline struct bpf_object *live_object(const char *name)
{
	const char *build = getenv("TCPC_BUILD");
	struct bpf_object *object;
	char path[256];

	snprintf(path, sizeof(path), "%s/tests/bench/%s.bpf.o", build ?: "build", name);
	object = bpf_object__open_file(path, NULL);
	if (!object || bpf_object__load(object))
		expect_fail("cannot load %s: run make bench, or give the build's directory in "
			    "TCPC_BUILD",
			    path);
	return object;
}

/** live_program - the program of @object that is called so. Returns its descriptor. */
static inline int live_program(const struct bpf_object *object, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(object, name));
}

static inline int live_by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/** live_sort - lowest first, so that the median stands in the middle. */
static inline void live_sort(double *values, size_t n)
{
	qsort(values, n, sizeof(values[0]), live_by_value);
}

/** live_figure - a line for the table of figures that have a limit, see scripts/bench. */
static inline void live_figure(const char *what, double value, double limit)
{
	printf("= %s | %g | %.2f\n", what, limit, value);
}

#endif
