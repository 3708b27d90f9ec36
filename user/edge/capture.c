// SPDX-License-Identifier: GPL-2.0-only
/* capture.c - see capture.h. */
#include "edge/capture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <pcap/pcap.h>

#define BUFFER_BYTES (1 << 18) /* read ahead: libpcap itself reads by 4 KB */

struct tcpc_capture {
	pcap_t *pcap;
	FILE *file; /* the handle's */
	struct bpf_program filter;
	bool filtered;
	__u64 bytes, frames;
	char *buffer;
	char *path;
};

/* A directory opens, and then is no capture: say what it is. */
static int open_file(const char *path, FILE **ret, __u64 *ret_bytes, struct tcpc_err *err)
{
	bool input = !strcmp(path, "-");
	int fd = input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return tcpc_err_set(err, errno, "cannot read %s: %s", path, strerror(errno));
	if (!fstat(fd, &st) && S_ISDIR(st.st_mode)) {
		close(fd);
		return tcpc_err_set(err, EISDIR, "%s is a directory; name the capture files in it",
				    path);
	}
	*ret_bytes = S_ISREG(st.st_mode) ? st.st_size : 0;
	*ret = fdopen(fd, "r");
	if (*ret)
		return 0;
	close(fd);
	return tcpc_err_set(err, ENOMEM, "out of memory");
}

static int set_filter(struct tcpc_capture *c, const char *filter, struct tcpc_err *err)
{
	if (!filter)
		return 0;
	if (pcap_compile(c->pcap, &c->filter, filter, 1, PCAP_NETMASK_UNKNOWN))
		return tcpc_err_set(err, EINVAL,
				    "--filter '%.100s': %s; see pcap-filter(7) for what can be "
				    "said",
				    filter, pcap_geterr(c->pcap));
	c->filtered = true;
	return 0;
}

static int open_pcap(struct tcpc_capture *c, struct tcpc_err *err)
{
	char text[PCAP_ERRBUF_SIZE] = "";

	c->pcap =
		pcap_fopen_offline_with_tstamp_precision(c->file, PCAP_TSTAMP_PRECISION_NANO, text);
	if (c->pcap)
		return 0;
	fclose(c->file);
	c->file = NULL;
	return tcpc_err_set(err, EPROTO,
			    "%s: %s; a capture of tcpdump -w, tcpcopyctl record or the like is "
			    "needed (pcap or pcapng)",
			    c->path, text);
}

int tcpc_capture_open(const char *path, const char *filter, struct tcpc_capture **ret,
		      struct tcpc_err *err)
{
	struct tcpc_capture *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	c->path = strdup(path);
	c->buffer = malloc(BUFFER_BYTES);
	r = c->path && c->buffer ? 0 : tcpc_err_set(err, ENOMEM, "out of memory");
	r = r ?: open_file(path, &c->file, &c->bytes, err);
	if (!r) {
		setvbuf(c->file, c->buffer, _IOFBF, BUFFER_BYTES);
		r = open_pcap(c, err);
	}
	r = r ?: set_filter(c, filter, err);
	if (r) {
		tcpc_capture_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void tcpc_capture_close(struct tcpc_capture *c)
{
	if (!c)
		return;
	if (c->filtered)
		pcap_freecode(&c->filter);
	if (c->pcap)
		pcap_close(c->pcap); /* the file with it */
	else if (c->file)
		fclose(c->file);
	free(c->buffer);
	free(c->path);
	free(c);
}

int tcpc_capture_link(const struct tcpc_capture *c)
{
	return pcap_datalink(c->pcap);
}

const char *tcpc_capture_link_name(const struct tcpc_capture *c)
{
	return pcap_datalink_val_to_name(pcap_datalink(c->pcap)) ?: "of unknown name";
}

__u64 tcpc_capture_bytes(const struct tcpc_capture *c)
{
	return c->bytes;
}

__u64 tcpc_capture_at(const struct tcpc_capture *c)
{
	long at = ftell(c->file);

	return at > 0 ? at : 0;
}

int tcpc_capture_next(struct tcpc_capture *c, struct tcpc_capture_frame *ret, struct tcpc_err *err)
{
	struct pcap_pkthdr *h;
	const __u8 *data;
	int r = pcap_next_ex(c->pcap, &h, &data);

	if (r == PCAP_ERROR_BREAK)
		return 0;
	if (r != 1)
		return tcpc_err_set(err, EPROTO, "%s is damaged or cut short behind frame %llu: %s",
				    c->path, c->frames, pcap_geterr(c->pcap));
	c->frames++;
	*ret = (struct tcpc_capture_frame){
		.data = data,
		.captured = h->caplen,
		.bytes = h->len,
		/* A hostile stamp may be anything; as a number it harms nobody. */
		.time_ns = (__u64)h->ts.tv_sec * 1000000000ULL + (__u64)h->ts.tv_usec,
		.matches = !c->filtered || pcap_offline_filter(&c->filter, h, data),
	};
	return 1;
}
