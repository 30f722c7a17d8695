/*
 * What costs most for each frame of a run: cutting, finishing checksums, merging (the twin of segment.py, headers.py and coalesce.py).
 *
 * Bytes in, bytes out: no system calls, no memory of its own, no state. Both twins give the same bytes for the same input, whatever it
 * is; where this one cannot (too little room) it says so, and the caller asks the other.
 *
 * Sums are of big-endian 16-bit words, as residues modulo 65535, like in ones.py.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "helper.h"

#define MODULUS 65535u
#define ETHER_SIZE 14
#define VLAN_SIZE 18
#define SAP_IP 0x0800
#define SAP_IPV6 0x86dd
#define SAP_VLAN 0x8100
#define IPV4_SIZE 20
#define IPV6_SIZE 40
#define TCP 6
#define UDP 17
#define TCP_SIZE 20
#define UDP_SIZE 8
#define TCP_STUFF 16
#define UDP_STUFF 6
#define IP_MAX 65535
#define HEADERS_MAX 256
#define UDP_FRAMES_MAX 64
#define FIN 0x01
#define PSH 0x08
#define ACK 0x10
#define ECE 0x40
#define CWR 0x80
#define GSO_TCPV4 1
#define GSO_TCPV6 4
#define GSO_UDP_L4 5

static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static uint32_t get32(const uint8_t *p) { return get16(p) << 16 | get16(p + 2); }
static void put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, v & 0xffff); }

/* Where the C library can choose between versions of a function when it is loaded, there is one for processors with wide registers. */
#if defined(__GNUC__) && defined(__x86_64__) && defined(__GLIBC__)
#define WIDE __attribute__((target_clones("avx2", "default"), optimize("O3")))
#else
#define WIDE
#endif

/* The sum of `n` words of 32 bits as they lie in memory. */
WIDE static uint64_t sum32(const uint8_t *p, size_t n)
{
	uint64_t total = 0;
	uint32_t word;
	size_t at;

	for (at = 0; at < n; at++) {
		memcpy(&word, p + 4 * at, 4);
		total += word;
	}
	return total;
}

/* The sum of words as they lie in memory, folded; swapping the bytes of the result swaps those of every word. */
static uint32_t raw_sum(const uint8_t *p, size_t n)
{
	uint64_t total = 0;
	uint32_t word;
	size_t words = n / 4;

	if (words > 16) {
		total = sum32(p, words);
		p += 4 * words;
		n -= 4 * words;
	}
	while (n >= 4) {
		memcpy(&word, p, 4);
		total += word;
		p += 4;
		n -= 4;
	}
	if (n) {
		uint8_t rest[4] = {0, 0, 0, 0};
		memcpy(rest, p, n);
		memcpy(&word, rest, 4);
		total += word;
	}
	total = (total & 0xffffffffu) + (total >> 32);
	total = (total & 0xffffffffu) + (total >> 32);
	total = (total & 0xffff) + (total >> 16);
	total = (total & 0xffff) + (total >> 16);
	return (uint32_t)total;
}

static uint32_t ones_sum(const uint8_t *p, size_t n)
{
	static const uint8_t probe[2] = {0, 1};
	uint16_t little;
	uint32_t sum = raw_sum(p, n);

	memcpy(&little, probe, 2);
	if (little != 1)
		sum = (sum & 0xff) << 8 | sum >> 8;
	return sum % MODULUS;
}

static uint32_t checksum(uint64_t total) { uint32_t r = (uint32_t)(total % MODULUS); return r ? MODULUS - r : 0; }
static uint32_t udp_checksum(uint64_t total) { return MODULUS - (uint32_t)(total % MODULUS); }
static uint32_t folded(uint64_t total) { uint32_t r = (uint32_t)(total % MODULUS); return r ? r : MODULUS; }

/*
 * Cut a run into frames, each behind a copy of `header` of `gap` bytes. Returns how many there are, 0 when its marks do not go with its bytes
 * or there is no room.
 */
int hw_cut(const uint8_t *data, size_t size, int partial, uint32_t start, int gso, uint32_t mss, uint32_t hdr_len,
    const uint8_t *header, size_t gap, uint8_t *out, size_t room)
{
	uint32_t transport, network = ETHER_SIZE, sap, least, stuff, total, ident = 0, ip_sum = 0, extra, head, first, longest;
	uint32_t flags = 0, last_only = 0, sequence = 0, count = 0, field;
	uint64_t pseudo, shared;
	size_t position, end, length, need;
	int v6, tcp = gso != GSO_UDP_L4;

	if (gso == GSO_TCPV4 || gso == GSO_TCPV6)
		transport = TCP_SIZE;
	else if (gso == GSO_UDP_L4)
		transport = UDP_SIZE;
	else
		return 0;
	if (mss == 0 || start < ETHER_SIZE || start + transport > hdr_len || hdr_len > size)
		return 0;
	sap = get16(data + 12);
	if (sap == SAP_VLAN) {
		network = VLAN_SIZE;
		sap = get16(data + 16);
	}
	least = sap == SAP_IP ? IPV4_SIZE : sap == SAP_IPV6 ? IPV6_SIZE : 0;
	longest = size < (size_t)hdr_len + mss ? (uint32_t)size : hdr_len + mss;
	if (!least || start < network + least || longest - network > IP_MAX)
		return 0;
	v6 = sap == SAP_IPV6;
	stuff = tcp ? TCP_STUFF : UDP_STUFF;
	if (partial) {
		uint64_t whole = (uint64_t)(size - start);
		pseudo = get16(data + start + stuff) + (MODULUS - whole % MODULUS);
	} else {
		pseudo = v6 ? ones_sum(data + network + 8, 32) : ones_sum(data + network + 12, 8);
		pseudo += tcp ? TCP : UDP;
	}
	extra = hdr_len - network - (v6 ? IPV6_SIZE : 0);
	if (!v6) {
		ident = get16(data + network + 4);
		ip_sum = ones_sum(data + network, 2) + ones_sum(data + network + 6, 4) +
		    ones_sum(data + network + 12, start - network - 12);
	}
	head = hdr_len - start;
	if (tcp) {
		sequence = get32(data + start + 4);
		flags = data[start + 13];
		shared = pseudo + ones_sum(data + start, 4) + ones_sum(data + start + 8, 4) + ones_sum(data + start + 18, head - 18) +
		    ((uint32_t)data[start + 12] << 8) + get16(data + start + 14) + head;
		last_only = flags & (FIN | PSH);
		flags ^= last_only;
	} else {
		shared = pseudo + ones_sum(data + start, 4) + ones_sum(data + start + UDP_SIZE, head - UDP_SIZE);
	}
	length = size - hdr_len;
	first = (uint32_t)((length + mss - 1) / mss);
	need = length + (size_t)(first ? first : 1) * (gap + hdr_len);
	if (need > room)
		return 0;
	position = hdr_len;
	for (;;) {
		uint8_t *frame = out + gap;

		end = position + mss < size ? position + mss : size;
		length = end - position;
		memcpy(out, header, gap);
		memcpy(frame, data, hdr_len);
		memcpy(frame + hdr_len, data + position, length);
		total = extra + (uint32_t)length;
		if (v6) {
			put16(frame + network + 4, total);
		} else {
			put16(frame + network + 2, total);
			put16(frame + network + 4, ident);
			put16(frame + network + 10, checksum((uint64_t)ip_sum + total + ident));
			ident = (ident + 1) & 0xffff;
		}
		if (tcp) {
			if (end == size)
				flags |= last_only;
			field = checksum(shared + length + sequence % MODULUS + flags + ones_sum(data + position, length));
			put32(frame + start + 4, sequence);
			frame[start + 13] = (uint8_t)flags;
			put16(frame + start + TCP_STUFF, field);
			sequence += mss;
			flags &= ~(uint32_t)CWR;
		} else {
			uint32_t udp = head + (uint32_t)length;

			put16(frame + start + 4, udp);
			put16(frame + start + UDP_STUFF, udp_checksum(shared + 2u * udp + ones_sum(data + position, length)));
		}
		out = frame + hdr_len + length;
		count++;
		position = end;
		if (position >= size)
			return (int)count;
	}
}

/* Where the parts of a frame are; see headers.Shape. */
typedef struct shape {
	uint32_t network, start, size, proto;
	int v6;
} shape;

static int shape_of(const uint8_t *f, size_t limit, shape *s)
{
	uint32_t network = ETHER_SIZE, sap, start, proto, size;

	if (limit < ETHER_SIZE + IPV4_SIZE + UDP_SIZE)
		return 0;
	sap = get16(f + 12);
	if (sap == SAP_VLAN) {
		network = VLAN_SIZE;
		sap = get16(f + 16);
	}
	if (sap == SAP_IP) {
		start = network + (f[network] & 0x0fu) * 4;
		proto = f[network + 9];
		if (f[network] >> 4 != 4 || start < network + IPV4_SIZE || f[network + 6] & 0x3f || f[network + 7])
			return 0;
	} else if (sap == SAP_IPV6) {
		size_t most = limit - 2 < HEADERS_MAX ? limit - 2 : HEADERS_MAX;

		if (limit < network + IPV6_SIZE || f[network] >> 4 != 6)
			return 0;
		start = network + IPV6_SIZE;
		proto = f[network + 6];
		while (start < most) {
			if (proto == 43) {
				if (start + 4 > limit || f[start + 3])
					break;
			} else if (proto != 0 && proto != 60) {
				break;
			}
			proto = f[start];
			start += (f[start + 1] + 1u) * 8;
		}
	} else {
		return 0;
	}
	if (proto == TCP && start + TCP_SIZE <= limit) {
		size = start + (f[start + 12] >> 4) * 4u;
		if (size < start + TCP_SIZE)
			return 0;
	} else if (proto == UDP) {
		size = start + UDP_SIZE;
	} else {
		return 0;
	}
	if (size > limit || size > HEADERS_MAX)
		return 0;
	s->network = network;
	s->start = start;
	s->size = size;
	s->proto = proto;
	s->v6 = sap == SAP_IPV6;
	return 1;
}

static int lengths_agree(const uint8_t *f, size_t size, const shape *s)
{
	uint32_t ip = s->v6 ? get16(f + s->network + 4) + IPV6_SIZE : get16(f + s->network + 2);

	if (ip + s->network != size)
		return 0;
	return s->proto == TCP || get16(f + s->start + 4) == size - s->start;
}

/* The headers of both agree but for what may differ between the frames of a run. */
static int same_flow(const uint8_t *a, const uint8_t *b, const shape *s)
{
	uint32_t n = s->network, t = s->start;

	if (s->v6) {
		if (memcmp(a, b, n + 4) || memcmp(a + n + 6, b + n + 6, t - n - 6))
			return 0;
	} else if (memcmp(a, b, n + 2) || memcmp(a + n + 6, b + n + 6, 4) || memcmp(a + n + 12, b + n + 12, t - n - 12)) {
		return 0;
	}
	if (memcmp(a + t, b + t, 4))
		return 0;
	if (s->proto != TCP)
		return 1;
	if (memcmp(a + t + 8, b + t + 8, 5) || (a[t + 13] ^ b[t + 13]) & ~(FIN | PSH | CWR) & 0xff)
		return 0;
	return !memcmp(a + t + 14, b + t + 14, 2) && !memcmp(a + t + 18, b + t + 18, s->size - t - 18);
}

static uint64_t pseudo_sum(const uint8_t *f, const shape *s)
{
	return (s->v6 ? ones_sum(f + s->network + 8, 32) : ones_sum(f + s->network + 12, 8)) + s->proto;
}

static int is_partial(const uint8_t *f, size_t size, const shape *s)
{
	uint32_t place = s->start + (s->proto == TCP ? TCP_STUFF : UDP_STUFF);

	return get16(f + place) == folded(pseudo_sum(f, s) + size - s->start);
}

static int may_merge(const uint8_t *f, size_t size, const shape *s)
{
	uint32_t field = get16(f + s->start + (s->proto == TCP ? TCP_STUFF : UDP_STUFF));
	uint64_t pseudo;

	if (!s->v6 && ones_sum(f + s->network, s->start - s->network))
		return 0;
	if (!field && s->proto != TCP)
		return 0;
	pseudo = pseudo_sum(f, s) + size - s->start;
	return field == folded(pseudo) || !((pseudo + ones_sum(f + s->start, size - s->start)) % MODULUS);
}

/* A frame and those that continue it: see coalesce._Run. What is merged has been copied to `out` behind `first`. */
typedef struct run {
	const uint8_t *first;
	size_t first_size;
	shape s;
	int known, open, begun;
	uint32_t frames, payload, room, next, flags;
	uint8_t *out;
	size_t used;
} run;

static int look(run *r)
{
	const shape *s = &r->s;
	const uint8_t *f = r->first;

	r->begun = 1;
	r->frames = 1;
	r->payload = (uint32_t)r->first_size - s->size;
	r->flags = 0;
	r->room = 0;
	if (r->first_size - s->network <= IP_MAX)
		r->room = IP_MAX - (uint32_t)(r->first_size - s->network);
	if (s->proto == TCP) {
		r->next = get32(f + s->start + 4) + r->payload;
		r->flags = f[s->start + 13];
		if (!(r->flags & ACK) || r->flags & ~(uint32_t)(ACK | ECE | PSH | FIN | CWR))
			return 0;
	}
	return r->payload > 0 && lengths_agree(f, r->first_size, s);
}

static int extend(run *r, const uint8_t *f, size_t size)
{
	const shape *s = &r->s;
	uint32_t added, flags = 0;

	if (!r->known || !r->open)
		return 0;
	if (!r->begun) {
		r->open = look(r) && !(r->flags & (PSH | FIN));
		if (!r->open)
			return 0;
	}
	if (size <= s->size || size - s->size > r->payload || size - s->size > r->room)
		return 0;
	added = (uint32_t)size - s->size;
	if (!same_flow(r->first, f, s) || !lengths_agree(f, size, s))
		return 0;
	if (s->proto == TCP) {
		flags = f[s->start + 13];
		if (get32(f + s->start + 4) != r->next || flags & CWR)
			return 0;
	} else if (r->frames == UDP_FRAMES_MAX) {
		return 0;
	}
	if (r->frames == 1 && !may_merge(r->first, r->first_size, s)) {
		r->open = 0;
		return 0;
	}
	if (!may_merge(f, size, s))
		return 0;
	memcpy(r->out + r->used, f + s->size, added);
	r->used += added;
	r->frames++;
	r->room -= added;
	r->next += added;
	r->flags |= flags & (PSH | FIN);
	if (added < r->payload || flags & (PSH | FIN))
		r->open = 0;
	return 1;
}

static void merged(run *r, uint32_t mss, hw_message *m)
{
	const shape *s = &r->s;
	uint8_t *h = r->out;
	uint32_t ip = IP_MAX - r->room, length = ip - (s->start - s->network), stuff = s->proto == TCP ? TCP_STUFF : UDP_STUFF;

	if (s->v6) {
		put16(h + s->network + 4, ip - IPV6_SIZE);
	} else {
		put16(h + s->network + 2, ip);
		put16(h + s->network + 10, 0);
		put16(h + s->network + 10, checksum(ones_sum(h + s->network, s->start - s->network)));
	}
	if (s->proto == TCP)
		h[s->start + 13] = (uint8_t)r->flags;
	else
		put16(h + s->start + 4, length);
	put16(h + s->start + stuff, folded(pseudo_sum(r->first, s) + length));
	m->partial = 1;
	m->start = s->start;
	m->stuff = stuff;
	m->gso = s->proto == TCP ? (s->v6 ? GSO_TCPV6 : GSO_TCPV4) : GSO_UDP_L4;
	m->mss = mss;
	m->hdr_len = s->size;
}

static void begin(run *r, const uint8_t *f, size_t size, uint32_t mtu, uint8_t *out)
{
	r->first = f;
	r->first_size = size;
	r->known = shape_of(f, size, &r->s);
	r->open = r->known && size - r->s.network <= mtu;
	r->begun = 0;
	r->frames = 1;
	r->out = out;
	r->used = size;
	memcpy(out, f, size);
}

static void finish(run *r, uint32_t mtu, uint32_t segment, hw_message *m)
{
	const shape *s = &r->s;
	uint32_t mss = 0;

	m->size = (uint32_t)r->used;
	m->partial = m->start = m->stuff = m->gso = m->mss = m->hdr_len = 0;
	if (!r->known)
		return;
	if (r->frames > 1) {
		merged(r, r->payload, m);
		return;
	}
	if (s->proto != TCP)
		mss = segment;
	else if (r->first_size - s->network > mtu)
		mss = mtu > s->size - s->network ? mtu - (s->size - s->network) : 0;
	if (mss > 0 && mss < r->first_size - s->size && look(r) && may_merge(r->first, r->first_size, s)) {
		merged(r, mss, m);
	} else if (is_partial(r->first, r->first_size, s) && lengths_agree(r->first, r->first_size, s)) {
		m->partial = 1;
		m->start = s->start;
		m->stuff = s->proto == TCP ? TCP_STUFF : UDP_STUFF;
	}
}

/*
 * What a batch of frames becomes: they lie `stride` bytes apart, each behind `gap` bytes. Messages are written to `out` one behind the other,
 * their marks to `messages`. Returns how many, -1 when there is no room.
 */
int hw_receive(const uint8_t *buffer, size_t total, size_t stride, size_t gap, uint32_t mtu, uint32_t segment, uint8_t *out, size_t room,
    hw_message *messages, int most)
{
	run r;
	size_t at, used = 0;
	int count = 0, running = 0;

	if (total > room || stride == 0 || (total % stride ? total % stride : stride) <= gap)
		return -1;
	for (at = 0; at < total; at += stride) {
		size_t end = at + stride < total ? at + stride : total;
		const uint8_t *f = buffer + at + gap;
		size_t size = end - at - gap;

		if (running) {
			if (extend(&r, f, size))
				continue;
			finish(&r, mtu, segment, &messages[count]);
			messages[count++].offset = (uint32_t)used;
			used += r.used;
		}
		if (count == most)
			return -1;
		begin(&r, f, size, mtu, out + used);
		running = 1;
	}
	if (running) {
		finish(&r, mtu, segment, &messages[count]);
		messages[count++].offset = (uint32_t)used;
	}
	return count;
}

/* The sum of the words of a piece of memory. */
uint32_t hw_sum(const uint8_t *p, size_t n) { return ones_sum(p, n); }

/* Whether each of the datagrams, `stride` bytes apart, begins with the same `size` bytes. */
int hw_uniform(const uint8_t *buffer, size_t total, size_t stride, size_t size)
{
	size_t at;

	for (at = stride; at < total; at += stride)
		if (at + size > total || memcmp(buffer, buffer + at, size))
			return 0;
	return size <= total;
}
