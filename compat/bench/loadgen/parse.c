// parse.c: a connection whose every byte is looked at.
//
// The two things that a careless reader gets wrong are handled here once for
// all modes: a message may be cut anywhere at the end of a read, and the
// server's own PING may stand before, between or after messages.
#include "loadgen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void conn_init(struct conn *c, int fd, int id, size_t cap)
{
	memset(c, 0, sizeof *c);
	c->fd = fd;
	c->id = id;
	c->cap = cap;
	c->buf = must_alloc(1, cap);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// split cuts a line at its blanks; it returns the number of fields, at most max.
static int split(const char *p, const char *end, const char **field, size_t *len, int max)
{
	int n = 0;
	while (p < end && n < max) {
		const char *e = memchr(p, ' ', (size_t)(end - p));
		if (e == NULL)
			e = end;
		field[n] = p;
		len[n++] = (size_t)(e - p);
		p = e + 1;
	}
	return n;
}

// parse_message reads "MSG subject sid [reply] size" without the verb.
static void parse_message(const struct conn *c, const char *p, const char *end, struct message *m)
{
	const char *field[5];
	size_t len[5];
	int n = split(p, end, field, len, 5);
	if (n != 3 && n != 4)
		fault("corrupt", "connection %d: malformed MSG line: %.*s", c->id, (int)(end - p), p);
	m->subject = field[0];
	m->subject_len = len[0];
	m->sid = field[1];
	m->sid_len = len[1];
	m->reply = n == 4 ? field[2] : NULL;
	m->reply_len = n == 4 ? len[2] : 0;
	m->size = 0;
	for (size_t i = 0; i < len[n - 1]; i++) {
		if (!is_digit(field[n - 1][i]) || m->size > 1u << 30)
			fault("corrupt", "connection %d: bad size in MSG line: %.*s", c->id, (int)(end - p), p);
		m->size = m->size * 10 + (size_t)(field[n - 1][i] - '0');
	}
}

// consume handles whole commands at the front of the buffer and returns the
// number of bytes used.
static size_t consume(struct conn *c, on_message f, void *arg)
{
	size_t at = 0;
	while (at < c->len) {
		char *line = (char *)c->buf + at;
		char *nl = memchr(line, '\n', c->len - at);
		if (nl == NULL) {
			if (c->len - at > 8192)
				fault("corrupt", "connection %d: a line without end", c->id);
			break;
		}
		size_t next = at + (size_t)(nl - line) + 1;
		if (nl == line || nl[-1] != '\r')
			fault("corrupt", "connection %d: a line without CR LF", c->id);
		if (memcmp(line, "MSG ", 4) == 0) {
			struct message m;
			parse_message(c, line + 4, nl - 1, &m);
			size_t end = next + m.size + 2;
			if (end - at > c->cap)
				fault("corrupt", "connection %d: a message of %zu bytes was not asked for", c->id, m.size);
			if (end > c->len)
				break;
			m.payload = c->buf + next;
			if (c->buf[end - 2] != '\r' || c->buf[end - 1] != '\n')
				fault("corrupt", "connection %d: a payload without CR LF at its end", c->id);
			if (f == NULL)
				fault("duplicate", "connection %d got a message that it did not ask for", c->id);
			f(c, &m, arg);
			next = end;
		} else if (memcmp(line, "PING", 4) == 0) {
			c->pings++;
			send_all(c->fd, "PONG\r\n", 6);
		} else if (memcmp(line, "PONG", 4) == 0) {
			c->pongs++;
		} else if (memcmp(line, "-ERR", 4) == 0) {
			fault("error", "the server said %.*s", (int)(nl - 1 - line), line);
		} else if (memcmp(line, "INFO", 4) != 0 && memcmp(line, "+OK", 3) != 0) {
			fault("corrupt", "connection %d: the server sent %.*s", c->id, (int)(nl - 1 - line > 60 ? 60 : nl - 1 - line), line);
		}
		at = next;
	}
	return at;
}

// conn_read makes one read without blocking and handles what is complete. It
// returns false when nothing was there.
bool conn_read(struct conn *c, on_message f, void *arg)
{
	ssize_t n = io_recv(c->fd, c->buf + c->len, c->cap - c->len, MSG_DONTWAIT);
	if (n == 0)
		fault("closed", "the server closed connection %d", c->id);
	if (n < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
			return false;
		fault("closed", "connection %d: %s", c->id, strerror(errno));
	}
	c->len += (size_t)n;
	size_t used = consume(c, f, arg);
	c->len -= used;
	if (c->len > 0 && used > 0)
		memmove(c->buf, c->buf + used, c->len);
	if (c->len == c->cap)
		fault("corrupt", "connection %d: a command larger than %zu bytes", c->id, c->cap);
	return true;
}

static void unexpected(struct conn *c, const struct message *m, void *arg)
{
	(void)arg;
	fault("duplicate", "connection %d got a message that it did not ask for: %.*s", c->id, (int)m->subject_len, m->subject);
}

// conn_drain_pings answers the PINGs that wait on a connection which must not
// get any message.
void conn_drain_pings(struct conn *c)
{
	while (conn_read(c, unexpected, NULL))
		;
}
