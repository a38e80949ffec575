// net.c: sockets, and the opening exchange of a client.
#include "loadgen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

// What current client libraries ask for, so that the server takes the same
// path as it does for them.
const char connect_line[] =
	"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":true,\"lang\":\"c\","
	"\"version\":\"1.0.0\",\"protocol\":1,\"headers\":true,\"no_responders\":true,"
	"\"name\":\"loadgen\"}\r\n";

// dial opens one TCP connection with time limits on both directions, so that
// a server that hangs ends the run instead of stopping it for ever.
int dial(const struct options *o, int server)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail_errno("socket");
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->ports[server])};
	if (inet_pton(AF_INET, o->host, &a.sin_addr) != 1)
		fail("not an IPv4 address: %s", o->host);
	struct timeval limit = {.tv_sec = 10};
	int one = 1;
	// Reset on close: thousands of sockets in TIME_WAIT would use up the
	// local ports of later runs.
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
		fail_errno("connect");
	return fd;
}

// send_all writes everything or ends the program.
void send_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;
	while (len > 0) {
		ssize_t n = io_send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN || errno == EWOULDBLOCK)
				fault("closed", "the server took no bytes for 10 s");
			fault("closed", "the server closed a connection that was written to: %s", strerror(errno));
		}
		p += n;
		len -= (size_t)n;
	}
}

// await_pong reads lines up to the next PONG. It may only be used while no
// messages can arrive.
void await_pong(int fd, double seconds)
{
	char buf[8192];
	size_t len = 0;
	uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
	for (;;) {
		ssize_t n = io_recv(fd, buf + len, sizeof buf - len, 0);
		if (n == 0)
			fault("closed", "the server closed a connection during the handshake");
		if (n < 0) {
			if ((errno == EINTR || errno == EAGAIN) && now_ns() < end)
				continue;
			fault("lost", "no PONG from the server: %s", strerror(errno));
		}
		len += (size_t)n;
		for (char *nl; (nl = memchr(buf, '\n', len)) != NULL;) {
			if (strncmp(buf, "PONG", 4) == 0)
				return; // what follows in the buffer, if anything, is INFO
			if (strncmp(buf, "PING", 4) == 0)
				send_all(fd, "PONG\r\n", 6);
			if (strncmp(buf, "-ERR", 4) == 0)
				fault("error", "the server said %.*s", (int)(nl - buf - 1), buf);
			size_t line = (size_t)(nl - buf) + 1;
			memmove(buf, nl + 1, len - line);
			len -= line;
		}
		if (len == sizeof buf)
			fault("error", "the server sent a line of more than 8 KiB");
	}
}

// connect_client opens a connection and completes the handshake. The second
// round trip makes sure that the INFO which follows the first PONG has been
// read: after it the server sends nothing by itself except PING.
int connect_client(const struct options *o, int server)
{
	int fd = dial(o, server);
	if (o->tls)
		secure(fd);
	send_all(fd, connect_line, strlen(connect_line));
	sync_conn(fd);
	sync_conn(fd);
	return fd;
}

// receiver_server is the server that subscriber or responder i connects to.
int receiver_server(const struct options *o, int i)
{
	return o->servers == 1 ? 0 : 1 + i % (o->servers - 1);
}

// sync_conn returns when the server has handled all that was sent before.
void sync_conn(int fd)
{
	send_all(fd, "PING\r\n", 6);
	await_pong(fd, 10);
}

void subscribe(int fd, const char *subject, const char *queue, const char *sid)
{
	char line[SUBJECT_MAX + 64];
	int n = snprintf(line, sizeof line, "SUB %s%s%s %s\r\n", subject, queue ? " " : "", queue ? queue : "", sid);
	send_all(fd, line, (size_t)n);
}

// limit_files raises the soft limit of open files to the hard one.
void limit_files(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

// poller returns an epoll descriptor that watches all of fds for input; the
// index in fds is the event's data.
int poller(const int *fds, int n)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		fail_errno("epoll_create1");
	for (int i = 0; i < n; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &e) != 0)
			fail_errno("epoll_ctl");
	}
	return ep;
}
