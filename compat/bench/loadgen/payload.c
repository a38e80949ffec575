// payload.c: payloads that show whether they were lost, doubled, reordered or
// changed. Layout: stamp (8 bytes), sequence (4), publisher (2), check (2),
// then bytes that follow from the sequence.
#include "loadgen.h"

#include <string.h>

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ (h >> 29);
}

static uint16_t checksum(const uint8_t *p, size_t size)
{
	uint64_t h = size, v;
	memcpy(&v, p, 8);
	h = mix(h, v);
	v = 0;
	memcpy(&v, p + 8, 6);
	h = mix(h, v);
	for (size_t i = HEADER; i < size; i += 8) {
		v = 0;
		memcpy(&v, p + i, size - i < 8 ? size - i : 8);
		h = mix(h, v);
	}
	return (uint16_t)(h ^ (h >> 16) ^ (h >> 32) ^ (h >> 48));
}

void payload_fill(uint8_t *p, size_t size, uint64_t stamp, unsigned pub, uint32_t seq)
{
	uint16_t b = (uint16_t)pub;
	memcpy(p, &stamp, 8);
	memcpy(p + 8, &seq, 4);
	memcpy(p + 12, &b, 2);
	// The filling holds every byte value, line ends included.
	uint64_t v = mix(seq, pub);
	for (size_t i = HEADER; i < size; i += 8) {
		v = v * 6364136223846793005u + 1442695040888963407u;
		memcpy(p + i, &v, size - i < 8 ? size - i : 8);
	}
	b = checksum(p, size);
	memcpy(p + 14, &b, 2);
}

bool payload_check(const uint8_t *p, size_t size, uint64_t *stamp, unsigned *pub, uint32_t *seq)
{
	uint16_t b;
	if (size < HEADER)
		return false;
	memcpy(&b, p + 14, 2);
	if (b != checksum(p, size))
		return false;
	memcpy(stamp, p, 8);
	memcpy(seq, p + 8, 4);
	memcpy(&b, p + 12, 2);
	*pub = b;
	return true;
}
