// memory.c: what an idle connection and a subscription cost in server memory.
#include "loadgen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SUBS_CONNS 10
#define AT_ONCE 64

// serve_pings reads all connections for some time and answers PINGs; with
// pongs > 0 it returns as soon as so many PONGs have come in total.
static void serve_pings(struct conn *conns, int ep, double seconds, uint64_t *pongs, uint64_t want)
{
	struct epoll_event ev[256];
	uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
	while (now_ns() < end && (want == 0 || *pongs < want)) {
		int n = epoll_wait(ep, ev, 256, 10);
		for (int k = 0; k < n; k++) {
			struct conn *c = &conns[ev[k].data.u32];
			uint64_t before = c->pongs;
			conn_read(c, NULL, NULL); // no message can come: nobody publishes
			*pongs += c->pongs - before;
		}
	}
	if (want > 0 && *pongs < want)
		fault("lost", "%llu of %llu connections got their PONG", (unsigned long long)*pongs, (unsigned long long)want);
}

// run_idle opens n connections, each with CONNECT, one SUB and a PING, lets
// them rest, and divides the growth of the server's memory by n.
void run_idle(const struct options *o)
{
	struct result res = {.mode = o->mode, .o = o};
	struct conn *conns = must_alloc((size_t)o->n, sizeof *conns);
	uint64_t pongs = 0;
	char line[512];

	limit_files();
	close(connect_client(o, 0)); // what the first connection alone costs is not counted
	sleep_us(200000);
	int ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		fail_errno("epoll_create1");
	long before = rss_kb(o);
	usage_read(o, &res.from);
	for (long i = 0; i < o->n; i++) {
		int fd = dial(o, 0);
		int n = snprintf(line, sizeof line, "%sSUB idle.%07ld 1\r\nPING\r\n", connect_line, i);
		send_all(fd, line, (size_t)n);
		conn_init(&conns[i], fd, (int)i, 2048);
		struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) != 0)
			fail_errno("epoll_ctl");
		if (i % AT_ONCE == AT_ONCE - 1 || i == o->n - 1)
			serve_pings(conns, ep, 30, &pongs, (uint64_t)i + 1);
	}
	usage_read(o, &res.to);
	serve_pings(conns, ep, o->settle, &pongs, 0);
	res.bytes_each = (double)(rss_kb(o) - before) * 1024 / (double)o->n;
	for (long i = 0; i < o->n; i++)
		res.pings += conns[i].pings;
	res.sent = res.delivered = (uint64_t)o->n;
	result_print(&res);
}

// load_subscriptions makes n subscriptions to subjects of five tokens, spread
// over the connections, and returns when the server has taken them all.
// With mix a tenth has a wildcard token in the middle and a tenth ends in >.
long load_subscriptions(const int *fds, int nfds, long n, bool mix)
{
	char *buf = must_alloc(1, 65536 + 256);
	for (int k = 0; k < nfds; k++) {
		size_t len = 0;
		long sid = 1;
		for (long i = k; i < n; i += nfds) {
			int region = (int)(i * 7 % 1000), kind = mix ? (int)(i / nfds % 10) : 9;
			char *p = buf + len;
			if (kind == 0)
				len += (size_t)sprintf(p, "SUB region.*.device.%07ld.status %ld\r\n", i, sid++);
			else if (kind == 1)
				len += (size_t)sprintf(p, "SUB region.%03d.device.%07ld.> %ld\r\n", region, i, sid++);
			else
				len += (size_t)sprintf(p, "SUB region.%03d.device.%07ld.status %ld\r\n", region, i, sid++);
			if (len >= 65536) {
				send_all(fds[k], buf, len);
				len = 0;
			}
		}
		len += (size_t)sprintf(buf + len, "PING\r\n");
		send_all(fds[k], buf, len);
	}
	for (int k = 0; k < nfds; k++)
		await_pong(fds[k], 120);
	free(buf);
	return n;
}

// run_subs measures the growth of the server's memory by n subscriptions.
void run_subs(const struct options *o)
{
	struct result res = {.mode = o->mode, .o = o};
	struct conn conns[SUBS_CONNS];
	int fds[SUBS_CONNS];
	uint64_t pongs = 0;

	for (int i = 0; i < SUBS_CONNS; i++) {
		fds[i] = connect_client(o, 0);
		conn_init(&conns[i], fds[i], i, 4096);
	}
	sleep_us(200000);
	long before = rss_kb(o);
	usage_read(o, &res.from);
	load_subscriptions(fds, SUBS_CONNS, o->n, o->mix);
	usage_read(o, &res.to);
	int ep = poller(fds, SUBS_CONNS);
	serve_pings(conns, ep, o->settle, &pongs, 0);
	res.bytes_each = (double)(rss_kb(o) - before) * 1024 / (double)o->n;
	res.sent = res.delivered = (uint64_t)o->n;
	result_print(&res);
}
