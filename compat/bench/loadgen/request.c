// request.c: request and reply.
//
// Closed loop: every requester has one request in flight. Open loop: requests
// leave at a fixed rate whether or not earlier ones were answered, and their
// latency counts from the moment at which they were due, so that a server
// that stalls cannot hide it by being asked less. Requesters and responders
// (a queue group) live in one thread; every reply is checked.
#include "loadgen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MAX_REQUESTS (1u << 26)
#define MAX_SENT_PER_WAKEUP 64

struct request {
	const struct options *o;
	int requesters;
	struct conn *conns;   // requesters, then responders
	uint64_t *since;      // closed loop: when the open request was sent
	uint32_t *open;       // closed loop: its sequence; UINT32_MAX = none
	uint8_t *answered;    // open loop: bit per sequence
	uint64_t start, stop;
	double interval;      // open loop: ns between requests
	uint32_t sent;
	uint64_t replies;
	char *out;            // a responder's answers to one read
	size_t out_len, out_cap;
	struct hist hist;
};

static int service_subject(char *to, const struct options *o)
{
	return snprintf(to, SUBJECT_MAX, "bench.%sservice", o->tag);
}

// inbox_format writes the subject of one reply; the last token is the
// sequence number of its request.
static int inbox_format(char *to, const struct options *o, int requester, uint32_t seq)
{
	return snprintf(to, SUBJECT_MAX, "_INBOX.%s%06d.%010u", o->tag, requester, seq);
}

static void send_request(struct request *r, int requester, uint32_t seq)
{
	char line[3 * SUBJECT_MAX + 65536], inbox[SUBJECT_MAX], subject[SUBJECT_MAX];
	service_subject(subject, r->o);
	inbox_format(inbox, r->o, requester, seq);
	int n = snprintf(line, 3 * SUBJECT_MAX, "PUB %s %s %d\r\n", subject, inbox, r->o->size);
	payload_fill((uint8_t *)line + n, (size_t)r->o->size, 0, (unsigned)requester, seq);
	memcpy(line + n + r->o->size, "\r\n", 2);
	r->sent++;
	send_all(r->conns[requester].fd, line, (size_t)(n + r->o->size + 2));
}

static void next_closed(struct request *r, int requester, uint64_t now)
{
	r->open[requester] = UINT32_MAX;
	if (r->sent >= MAX_REQUESTS || now >= r->stop || (r->o->count > 0 && r->sent >= (uint64_t)r->o->count))
		return;
	r->open[requester] = r->sent;
	r->since[requester] = now;
	send_request(r, requester, r->sent);
}

static void got_reply(struct conn *c, const struct message *m, void *arg)
{
	struct request *r = arg;
	uint64_t stamp, now = now_ns();
	unsigned pub;
	uint32_t seq;
	char want[SUBJECT_MAX];

	if (m->size != (size_t)r->o->size || !payload_check(m->payload, m->size, &stamp, &pub, &seq))
		fault("corrupt", "requester %d got a reply that is not its request", c->id);
	int n = inbox_format(want, r->o, c->id, seq);
	if (pub != (unsigned)c->id || (size_t)n != m->subject_len || memcmp(want, m->subject, m->subject_len) != 0)
		fault("corrupt", "requester %d got a reply for %.*s", c->id, (int)m->subject_len, m->subject);
	r->replies++;
	if (r->o->rate > 0) {
		uint8_t *b = &r->answered[seq / 8], mask = (uint8_t)(1u << seq % 8);
		if (seq >= r->sent || *b & mask)
			fault("duplicate", "requester %d got a second reply to request %u", c->id, seq);
		*b |= mask;
		hist_add(&r->hist, now - (r->start + (uint64_t)((double)seq * r->interval)));
		return;
	}
	if (seq != r->open[c->id])
		fault("duplicate", "requester %d got a reply to request %u, which is not open", c->id, seq);
	hist_add(&r->hist, now - r->since[c->id]);
	next_closed(r, c->id, now_ns());
}

// got_request adds the answer to those of the same read.
static void got_request(struct conn *c, const struct message *m, void *arg)
{
	struct request *r = arg;
	if (m->reply == NULL || m->reply_len > 64)
		fault("corrupt", "responder %d got a request without its reply subject", c->id);
	if (r->out_len + 256 + m->size > r->out_cap) {
		send_all(c->fd, r->out, r->out_len);
		r->out_len = 0;
	}
	int n = sprintf(r->out + r->out_len, "PUB %.*s %zu\r\n", (int)m->reply_len, m->reply, m->size);
	r->out_len += (size_t)n;
	memcpy(r->out + r->out_len, m->payload, m->size);
	memcpy(r->out + r->out_len + m->size, "\r\n", 2);
	r->out_len += m->size + 2;
}

static void serve(struct request *r, int i)
{
	struct conn *c = &r->conns[i];
	if (i < r->requesters) {
		conn_read(c, got_reply, r);
		return;
	}
	conn_read(c, got_request, r);
	if (r->out_len > 0) {
		send_all(c->fd, r->out, r->out_len);
		r->out_len = 0;
	}
}

// send_due sends the requests of the open loop whose time has come; a few at
// a time, so that replies are read in between.
static void send_due(struct request *r)
{
	for (int k = 0; k < MAX_SENT_PER_WAKEUP; k++) {
		uint64_t due = r->start + (uint64_t)((double)r->sent * r->interval);
		if (due > now_ns() || due >= r->stop || r->sent >= MAX_REQUESTS)
			return;
		send_request(r, (int)(r->sent % (uint32_t)r->requesters), r->sent);
	}
}

static int start_timer(struct request *r, int ep)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fd < 0)
		fail_errno("timerfd_create");
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
	long ns = (long)r->interval;
	struct itimerspec t = {.it_interval = {ns / 1000000000, ns % 1000000000}, .it_value = {0, 1}};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) != 0 || timerfd_settime(fd, 0, &t, NULL) != 0)
		fail_errno("timerfd");
	return fd;
}

static void loop(struct request *r, int ep)
{
	struct epoll_event ev[256];
	uint64_t last = now_ns(), before = 0, ticks;
	int timer = r->o->rate > 0 ? start_timer(r, ep) : -1;
	for (;;) {
		uint64_t now = now_ns();
		if (now >= r->stop && r->replies >= r->sent)
			break;
		if (r->o->count > 0 && r->replies >= (uint64_t)r->o->count)
			break;
		int n = epoll_wait(ep, ev, 256, 10);
		for (int k = 0; k < n; k++) {
			if (ev[k].data.u32 != UINT32_MAX) {
				serve(r, (int)ev[k].data.u32);
			} else if (read(timer, &ticks, sizeof ticks) == sizeof ticks) {
				send_due(r);
			}
		}
		if (r->replies != before) {
			before = r->replies;
			last = now_ns();
		} else if ((double)(now_ns() - last) > r->o->patience * 1e9) {
			fault("lost", "no reply for %.0f s: %llu of %u requests answered", r->o->patience, (unsigned long long)r->replies, r->sent);
		}
	}
	if (timer >= 0)
		close(timer);
}

static void open_all(struct request *r, int *fds)
{
	char subject[SUBJECT_MAX];
	for (int i = 0; i < r->requesters + r->o->responders; i++) {
		fds[i] = connect_client(r->o, i < r->requesters ? 0 : receiver_server(r->o, i - r->requesters));
		if (i < r->requesters) {
			snprintf(subject, sizeof subject, "_INBOX.%s%06d.*", r->o->tag, i);
			subscribe(fds[i], subject, NULL, "1");
		} else {
			service_subject(subject, r->o);
			subscribe(fds[i], subject, "service", "1");
		}
		sync_conn(fds[i]);
		conn_init(&r->conns[i], fds[i], i, (size_t)r->o->size + 65536);
	}
	service_subject(subject, r->o);
	await_interest(r->o, 0, subject, fds + r->requesters, r->o->responders, true);
	for (int i = 0; i < r->requesters; i++) {
		inbox_format(subject, r->o, i, 0);
		for (int server = 1; server < r->o->servers; server++)
			await_interest(r->o, server, subject, fds + i, 1, false);
	}
}

void run_request(const struct options *o)
{
	struct request *r = must_alloc(1, sizeof *r);
	struct result res = {.mode = o->mode, .o = o};

	if (o->size > 60000)
		fail("requests are limited to 60000 bytes");
	r->o = o;
	r->requesters = o->conns;
	int n = o->conns + o->responders;
	r->conns = must_alloc((size_t)n, sizeof *r->conns);
	r->since = must_alloc((size_t)o->conns, sizeof *r->since);
	r->open = must_alloc((size_t)o->conns, sizeof *r->open);
	r->answered = must_alloc(MAX_REQUESTS / 8, 1);
	r->out_cap = (size_t)o->size + 65536;
	r->out = must_alloc(1, r->out_cap);
	int *fds = must_alloc((size_t)n, sizeof *fds);
	open_all(r, fds);
	int ep = poller(fds, n);

	usage_read(o, &res.from);
	uint64_t cpu = thread_cpu_ns();
	r->start = now_ns();
	r->stop = o->count > 0 ? UINT64_MAX : r->start + (uint64_t)(o->seconds * 1e9);
	if (o->rate > 0)
		r->interval = 1e9 / o->rate;
	for (int i = 0; o->rate <= 0 && i < r->requesters; i++)
		next_closed(r, i, now_ns());
	loop(r, ep);
	usage_read(o, &res.to);
	res.receiver_cpu = thread_cpu_ns() - cpu;
	// Nothing more may come: a second reply is found by got_reply.
	struct epoll_event ev;
	for (uint64_t end = now_ns() + 20000000; now_ns() < end;)
		if (epoll_wait(ep, &ev, 1, 5) == 1)
			serve(r, (int)ev.data.u32);
	for (int i = 0; i < n; i++)
		res.pings += r->conns[i].pings;
	if (r->replies != r->sent)
		fault("duplicate", "%llu replies to %u requests", (unsigned long long)r->replies, r->sent);
	res.sent = r->sent;
	res.delivered = r->replies;
	res.hist = &r->hist;
	result_print(&res);
}
