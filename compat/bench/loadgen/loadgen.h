// loadgen.h: what the parts of the load generator share.
//
// loadgen talks the client protocol over raw TCP, measures one server in one
// scenario and prints one JSON line. It is kept light on purpose: whatever it
// spends is taken from the machine that the server under test runs on.
#ifndef LOADGEN_H
#define LOADGEN_H

#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

// Exit codes, so that a script can tell a wrong call from a wrong server.
enum {
	EXIT_USAGE = 2, // bad option, or something on this side failed
	EXIT_FAULT = 3, // the server lost, doubled, reordered or changed something
};

// HEADER is the part of a checked payload that carries stamp, publisher,
// check value and sequence number; a payload is never smaller.
#define HEADER 16

#define MAX_SERVERS 16

struct options {
	const char *mode;
	const char *host;
	// The servers. With several, whoever publishes or asks connects to the
	// first, and subscribers and responders in turn to the others.
	int ports[MAX_SERVERS];
	int servers;
	pid_t pids[MAX_SERVERS]; // their processes, for CPU and memory
	int npids;
	// Part of all subjects when there are several servers, another in every
	// run: interest of the last run may still be on its way out.
	char tag[16];

	int pubs, subs;
	int size;
	int subjects;   // how many different subjects are published to
	bool random;    // subjects in random order rather than round robin
	bool literal;   // one subscription per subject instead of one wildcard
	bool diffsids;  // every subscriber has another sid, of the same width
	bool queue;     // the subscribers are one queue group
	long background; // subscriptions that never match, held meanwhile

	double seconds;
	long count;  // end after so many published messages, 0 = by time
	double rate; // messages (or requests) per second, 0 = as fast as possible
	int burst;   // messages per publisher and tick in paced runs

	int responders;
	int conns;
	long n;        // connections (idle) or subscriptions (subs)
	bool mix;      // subs: a tenth with *, a tenth with >
	double settle; // seconds to wait before memory is read
	bool tls;        // after INFO, as the server asks for it
	double patience; // seconds without progress after which a message is lost
};

// ---- net.c: sockets and the handshake ----

int dial(const struct options *o, int server);
int connect_client(const struct options *o, int server);
int receiver_server(const struct options *o, int i);
void send_all(int fd, const void *buf, size_t len);
void await_pong(int fd, double seconds);
void subscribe(int fd, const char *subject, const char *queue, const char *sid);
void sync_conn(int fd);
void limit_files(void);
int poller(const int *fds, int n);
extern const char connect_line[];

// ---- secure.c: reading and writing, with TLS if the connection has it ----

// secure begins TLS on a connection whose INFO has not been read.
void secure(int fd);
// io_send and io_recv are send and recv. With TLS, io_send always waits, and
// io_recv returns no more than one record.
ssize_t io_send(int fd, const void *buf, size_t len, int flags);
ssize_t io_recv(int fd, void *buf, size_t len, int flags);
// io_skip throws away what is there, and returns how much that was.
ssize_t io_skip(int fd, size_t len);

// ---- stats.c: clocks, server accounting, histogram, result line ----

uint64_t now_ns(void);
uint64_t thread_cpu_ns(void);
void sleep_us(long us);

struct usage {
	uint64_t wall;     // ns
	uint64_t cpu;      // ns of the whole process, threads that ended included
	uint64_t ticks;    // the same from /proc/PID/stat, 10 ms steps, as a check
	uint64_t threads;  // the same summed over the threads that live now
};
// All of these are sums over the servers.
void usage_read(const struct options *o, struct usage *u);
long rss_kb(const struct options *o);
long peak_rss_kb(const struct options *o);

// A log-linear histogram of nanoseconds, exact to better than one per cent.
#define HIST_SUB 128
#define HIST_SIZE (HIST_SUB * 40)
struct hist {
	uint64_t n;
	uint64_t bucket[HIST_SIZE];
};
void hist_add(struct hist *h, uint64_t ns);
uint64_t hist_quantile(const struct hist *h, double q);

struct result {
	const char *mode;
	uint64_t sent, delivered;
	uint64_t pings;           // server PINGs seen among the messages
	struct usage from, to;    // around the measured time
	uint64_t sender_cpu, receiver_cpu;
	double late;              // paced: share of the ticks that began over 1 ms late
	const struct hist *hist;  // NULL: no latencies
	double bytes_each;        // memory modes: RSS growth per thing
	const struct options *o;
};
void result_print(const struct result *r);

// fail reports a problem on this side, fault one of the server (kind is
// "lost", "duplicate", "order", "corrupt", "closed" or "error"). Both print
// the JSON line and end the process.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fault(const char *kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
// fail_errno adds the text of errno.
_Noreturn void fail_errno(const char *what);

void *must_alloc(size_t n, size_t size);

// ---- parse.c: the receiving side that looks at every byte ----

struct message {
	const char *subject;
	size_t subject_len;
	const char *sid;
	size_t sid_len;
	const char *reply; // NULL without
	size_t reply_len;
	uint8_t *payload;
	size_t size;
};

struct conn {
	int fd;
	int id;
	uint8_t *buf;
	size_t len, cap;
	uint64_t pings, pongs;
};
typedef void (*on_message)(struct conn *c, const struct message *m, void *arg);
void conn_init(struct conn *c, int fd, int id, size_t cap);
bool conn_read(struct conn *c, on_message f, void *arg);
void conn_drain_pings(struct conn *c);

// ---- subject.c: fixed-width subjects ----

#define SUBJECT_MAX 128
int subject_format(char *to, const struct options *o, long i);
int subject_wildcard(char *to, const struct options *o);
long subject_index(const struct options *o, const char *s, size_t len);
uint32_t next_random(uint64_t *state);

// ---- payload.c: payloads that can be checked ----

void payload_fill(uint8_t *p, size_t size, uint64_t stamp, unsigned pub, uint32_t seq);
bool payload_check(const uint8_t *p, size_t size, uint64_t *stamp, unsigned *pub, uint32_t *seq);

// ---- interest.c: what one server knows of the subscribers of another ----

void await_interest(const struct options *o, int server, const char *subject, const int *fds, int n, bool any);

// ---- topology.c: connections of the publish/subscribe modes ----

struct topology {
	int *sub, *pub; // descriptors
	int *background;
	int nbackground;
};
void topology_open(struct topology *t, const struct options *o);
void topology_check_idle(struct topology *t, const struct options *o);
int sid_format(char *to, const struct options *o, int subscriber, long subject);
size_t delivered_length(const struct options *o);

// ---- the modes ----

void run_flood(const struct options *o);   // flood.c: counting, no parsing
void run_checked(const struct options *o); // checked.c: verify and paced
void run_request(const struct options *o); // request.c
void run_idle(const struct options *o);    // memory.c
void run_subs(const struct options *o);
long load_subscriptions(const int *fds, int nfds, long n, bool mix);

#endif
