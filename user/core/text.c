// SPDX-License-Identifier: GPL-2.0-only
/* text.c - see text.h. */
#include "core/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <net/if.h>

int tcpc_text_number(const char *text, unsigned long max, unsigned long *ret)
{
	unsigned long n = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		unsigned long digit = *text - '0'; /* huge for what stands before '0' */

		if (digit > 9 || digit > max || n > (max - digit) / 10)
			return -EINVAL;
		n = n * 10 + digit;
	}
	*ret = n;
	return 0;
}

int tcpc_text_port(const char *text, __be16 *ret, struct tcpc_err *err)
{
	unsigned long n;

	if (tcpc_text_number(text, 65535, &n) || !n)
		return tcpc_err_set(err, EINVAL,
				    "'%.80s' is not a port: give a number from 1 to 65535", text);
	*ret = htons(n);
	return 0;
}

int tcpc_text_addr(const char *text, struct tcpc_addr *ret, struct tcpc_err *err)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret = tcpc_addr_from_v4(v4.s_addr);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6) == 1) {
		memcpy(ret, &v6, sizeof(*ret));
		return 0;
	}
	return tcpc_err_set(err, EINVAL, "'%.80s' is not an address: write it as %s", text,
			    strchr(text, ':') ? "2001:db8::9" : "10.0.0.9");
}

/* IPv6, most likely. */
static int has_two_colons(const char *text)
{
	const char *colon = strchr(text, ':');

	return colon && strchr(colon + 1, ':');
}

/* Split "HOST:PORT" or "[HOST]:PORT" or "HOST". @ret_port: NULL text if there is none. */
static int split(const char *text, char *host, size_t size, const char **ret_port)
{
	const char *end, *begin = text;

	*ret_port = NULL;
	if (*text == '[') {
		begin = text + 1;
		end = strchr(begin, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		if (end[1])
			*ret_port = end + 2;
	} else {
		if (has_two_colons(text))
			return -EINVAL; /* IPv6 without brackets: where would the port begin? */
		end = strchr(text, ':');
		if (end)
			*ret_port = end + 1;
		else
			end = text + strlen(text);
	}
	if (end == begin || (size_t)(end - begin) >= size)
		return -EINVAL;
	memcpy(host, begin, end - begin);
	host[end - begin] = '\0';
	return 0;
}

int tcpc_text_endpoint(const char *text, struct tcpc_endpoint *ret, struct tcpc_err *err)
{
	struct tcpc_endpoint ep;
	char host[64];
	const char *port;
	int r;

	memset(&ep, 0, sizeof(ep)); /* endpoints are compared as bytes */
	if (split(text, host, sizeof(host), &port) || !port)
		return tcpc_err_set(err, EINVAL, "'%.80s' is not IP:PORT: write it as %s", text,
				    has_two_colons(text) ? "[2001:db8::9]:8080" : "10.0.0.9:8080");
	r = tcpc_text_addr(host, &ep.addr, err);
	if (!r && text[0] == '[' && tcpc_addr_is_v4(&ep.addr))
		return tcpc_err_set(err, EINVAL,
				    "'%.80s': brackets are for IPv6; write IPv4 as "
				    "10.0.0.9:8080",
				    text);
	r = r ?: tcpc_text_port(port, &ep.port, err);
	if (!r)
		*ret = ep;
	return r;
}

/* Can @name be looked up, or is it an address? @bracketed: only IPv6 comes in brackets. */
static int is_host(const char *name, int bracketed)
{
	const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
	struct in6_addr v6;
	struct in_addr v4;

	if (bracketed)
		return inet_pton(AF_INET6, name, &v6) == 1;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(".-_", *p))
			return 0;
	/* No top-level domain is a number (RFC 3696, 2): it was meant as an address. */
	if (inet_aton(name, &v4) || (*last && !last[strspn(last, "0123456789")]))
		return inet_pton(AF_INET, name, &v4) == 1;
	return 1;
}

int tcpc_text_host_port(const char *text, __u16 default_port, char *host, size_t size,
			__u16 *ret_port, struct tcpc_err *err)
{
	__be16 wire = htons(default_port);
	const char *port;
	char name[256];
	int r = 0;

	if (split(text, name, sizeof(name), &port) || strlen(name) >= size ||
	    !is_host(name, *text == '['))
		return tcpc_err_set(err, EINVAL, "'%.80s' is not HOST:PORT: write it as %s", text,
				    has_two_colons(text)
					    ? "[2001:db8::9]:36524"
					    : "target.example:36524 or 10.0.0.9:36524");
	if (port)
		r = tcpc_text_port(port, &wire, err);
	if (r)
		return r;
	memcpy(host, name, strlen(name) + 1);
	*ret_port = ntohs(wire);
	return 0;
}

/* Zero the bits of @addr behind the first @bits; true if one of them was set. */
static int clear_host_bits(struct tcpc_addr *addr, unsigned int bits)
{
	unsigned char *b = (unsigned char *)addr;
	int was_set = 0;

	for (unsigned int i = bits; i < 128; i++) {
		unsigned char bit = 0x80 >> (i % 8);

		was_set |= b[i / 8] & bit;
		b[i / 8] &= ~bit;
	}
	return was_set;
}

int tcpc_text_prefix(const char *text, struct tcpc_prefix *ret, struct tcpc_err *err)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char host[64], meant[TCPC_TEXT_BYTES];
	struct tcpc_prefix p;
	unsigned long bits;
	int v4;

	memset(&p, 0, sizeof(p)); /* prefixes are compared as bytes */
	if (len >= sizeof(host))
		len = sizeof(host) - 1;
	memcpy(host, text, len);
	host[len] = '\0';
	if (tcpc_text_addr(host, &p.addr, NULL))
		return tcpc_err_set(err, EINVAL, "'%.80s' is not a prefix: write it as %s", text,
				    strchr(text, ':') ? "2001:db8::/32" : "10.0.0.0/8");
	v4 = tcpc_addr_is_v4(&p.addr);
	bits = v4 ? 32 : 128;
	if (slash && tcpc_text_number(slash + 1, bits, &bits))
		return tcpc_err_set(err, EINVAL,
				    "'%.80s': the prefix length is a number from 0 to %d", text,
				    v4 ? 32 : 128);
	p.bits = bits + (v4 ? TCPC_ADDR_V4_BITS : 0);
	if (clear_host_bits(&p.addr, p.bits))
		return tcpc_err_set(err, EINVAL,
				    "'%.80s' has bits set behind the prefix: do you mean "
				    "%s?",
				    text, tcpc_text_from_prefix(&p, meant));
	*ret = p;
	return 0;
}

int tcpc_text_percent(const char *text, __u32 *ret, struct tcpc_err *err)
{
	const char *dot = strchr(text, '.');
	size_t len = dot ? (size_t)(dot - text) : strlen(text);
	unsigned long whole, hundredths = 0;
	char digits[8];

	if (len >= sizeof(digits))
		goto bad;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (tcpc_text_number(digits, 100, &whole))
		goto bad;
	if (dot) {
		size_t n = strspn(dot + 1, "0123456789");

		if (!n || n > 2 || dot[1 + n])
			goto bad;
		hundredths = (dot[1] - '0') * 10 + (n == 2 ? dot[2] - '0' : 0);
	}
	if (whole * 100 + hundredths > TCPC_SAMPLE_ALL)
		goto bad;
	*ret = whole * 100 + hundredths;
	return 0;
bad:
	return tcpc_err_set(err, EINVAL,
			    "'%.80s' is not a percentage: give a number from 0 to 100, at most two "
			    "decimals",
			    text);
}

int tcpc_text_iface(const char *text, char ret[16], struct tcpc_err *err)
{
	size_t len = strlen(text);
	size_t bad = strcspn(text, "/: \t\n\v\f\r\xa0"); /* for the kernel, 0xa0 is a space */

	if (!len || len >= IFNAMSIZ || bad != len || !strcmp(text, ".") || !strcmp(text, ".."))
		return tcpc_err_set(err, EINVAL,
				    "'%.80s' is not an interface name: 1 to 15 bytes, like eth0",
				    text);
	memset(ret, 0, IFNAMSIZ);
	memcpy(ret, text, len);
	return 0;
}

int tcpc_text_ip6tables(const char *iptables, char *ret, size_t size)
{
	const char *slash = strrchr(iptables, '/'), *name = slash ? slash + 1 : iptables;
	int dir_bytes = name - iptables;

	if (strncmp(name, "iptables", 8))
		return -EINVAL;
	return snprintf(ret, size, "%.*sip6%s", dir_bytes, iptables, name + 2) < (int)size
		       ? 0
		       : -EINVAL;
}

const char *tcpc_text_from_addr(const struct tcpc_addr *addr, char buf[TCPC_TEXT_BYTES])
{
	if (tcpc_addr_is_v4(addr))
		inet_ntop(AF_INET, &addr->w[3], buf, TCPC_TEXT_BYTES);
	else
		inet_ntop(AF_INET6, addr, buf, TCPC_TEXT_BYTES);
	return buf;
}

const char *tcpc_text_from_endpoint(const struct tcpc_endpoint *ep, char buf[TCPC_TEXT_BYTES])
{
	char host[TCPC_TEXT_BYTES];

	tcpc_text_from_addr(&ep->addr, host);
	snprintf(buf, TCPC_TEXT_BYTES, tcpc_addr_is_v4(&ep->addr) ? "%.45s:%u" : "[%.45s]:%u", host,
		 ntohs(ep->port));
	return buf;
}

const char *tcpc_text_from_prefix(const struct tcpc_prefix *p, char buf[TCPC_TEXT_BYTES])
{
	char host[TCPC_TEXT_BYTES];
	/* A mapped prefix shorter than the mapping itself is an IPv6 one. */
	int v4 = tcpc_addr_is_v4(&p->addr) && p->bits >= TCPC_ADDR_V4_BITS;

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &p->addr.w[3] : p->addr.w, host, sizeof(host));
	snprintf(buf, TCPC_TEXT_BYTES, "%.45s/%u", host, p->bits - (v4 ? TCPC_ADDR_V4_BITS : 0));
	return buf;
}
