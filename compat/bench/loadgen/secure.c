// secure.c: reading and writing, with TLS if the connection has it.
//
// The rows with TLS need OpenSSL, so all that belongs to it is built only for
// them. Certificates are not verified: that would be the same work for every
// server.
#include "loadgen.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#ifdef WITH_TLS
#include <openssl/ssl.h>

// A record of TLS 1.3 has a header, and behind the bytes a type and a tag.
#define RECORD_HEADER 5
#define RECORD_TAIL 17
#define MOST_FDS 65536

static SSL *sessions[MOST_FDS];

struct skipper {
	uint8_t header[RECORD_HEADER];
	size_t have; // of the header
	size_t left; // of the body
};
static struct skipper skippers[MOST_FDS];

static SSL *session(int fd) { return fd < MOST_FDS ? sessions[fd] : NULL; }

// read_info reads the line that comes before the handshake, and nothing behind it.
static void read_info(int fd)
{
	for (char c = 0; c != '\n';)
		if (recv(fd, &c, 1, 0) != 1)
			fault("closed", "no INFO before the handshake");
}

void secure(int fd)
{
	static SSL_CTX *context;
	if (context == NULL) {
		context = SSL_CTX_new(TLS_client_method());
		if (context == NULL || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION))
			fail("OpenSSL has no TLS 1.3");
		SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
	}
	read_info(fd);
	SSL *s = SSL_new(context);
	if (s == NULL || fd >= MOST_FDS || !SSL_set_fd(s, fd))
		fail("OpenSSL cannot make a session");
	if (SSL_connect(s) != 1)
		fault("error", "the TLS handshake failed");
	sessions[fd] = s;
	memset(&skippers[fd], 0, sizeof skippers[fd]);
}

// outcome turns a result of OpenSSL into one of the socket calls.
static ssize_t outcome(SSL *s, int n)
{
	if (n > 0)
		return n;
	switch (SSL_get_error(s, n)) {
	case SSL_ERROR_WANT_READ: // a record without bytes for us, or the time limit
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return errno == 0 ? 0 : -1;
	}
	errno = EPROTO;
	return -1;
}

ssize_t io_send(int fd, const void *buf, size_t len, int flags)
{
	SSL *s = session(fd);
	if (s == NULL)
		return send(fd, buf, len, flags);
	errno = 0;
	return outcome(s, SSL_write(s, buf, (int)len)); // waits, whatever flags say
}

ssize_t io_recv(int fd, void *buf, size_t len, int flags)
{
	SSL *s = session(fd);
	if (s == NULL)
		return recv(fd, buf, len, flags);
	if ((flags & MSG_DONTWAIT) && !SSL_pending(s)) {
		// Servers write whole records, so what has begun does not let us wait for long.
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, 0) == 0) {
			errno = EAGAIN;
			return -1;
		}
	}
	errno = 0;
	return outcome(s, SSL_read(s, buf, (int)len));
}

// skip_records counts the bytes in records without decrypting them: as many
// as the headers say.
static ssize_t skip_records(int fd)
{
	static _Thread_local uint8_t buf[1 << 18];
	struct skipper *k = &skippers[fd];
	ssize_t sum = 0, n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
	if (n <= 0)
		return n;
	for (size_t at = 0; at < (size_t)n;) {
		size_t rest = (size_t)n - at;
		if (k->left > 0) {
			size_t body = k->left < rest ? k->left : rest;
			k->left -= body;
			at += body;
			continue;
		}
		k->header[k->have++] = buf[at++];
		if (k->have == RECORD_HEADER) {
			size_t body = (size_t)k->header[3] << 8 | k->header[4];
			if (k->header[0] != 23 || body <= RECORD_TAIL)
				fault("corrupt", "the server sent a record of type %d with %zu bytes", k->header[0], body);
			sum += (ssize_t)(body - RECORD_TAIL);
			k->left = body;
			k->have = 0;
		}
	}
	if (sum == 0) {
		errno = EAGAIN;
		return -1;
	}
	return sum;
}

ssize_t io_skip(int fd, size_t len)
{
	if (session(fd) != NULL)
		return skip_records(fd);
	return recv(fd, NULL, len, MSG_TRUNC | MSG_DONTWAIT);
}

#else

void secure(int fd)
{
	(void)fd;
	fail("built without TLS");
}

ssize_t io_send(int fd, const void *buf, size_t len, int flags) { return send(fd, buf, len, flags); }

ssize_t io_recv(int fd, void *buf, size_t len, int flags) { return recv(fd, buf, len, flags); }

ssize_t io_skip(int fd, size_t len) { return recv(fd, NULL, len, MSG_TRUNC | MSG_DONTWAIT); }

#endif
