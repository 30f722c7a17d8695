/*
 * The data path of conversations whose way is known, from TAP to socket and from socket to TAP.
 *
 * Whoever asks has found out, and entered, what happens to every frame of a conversation (on the way out) or for an address (on the way in).
 * Whatever is not entered, and whatever goes wrong, is given back in order, to go the ordinary way: nothing is decided here, dropped or lost.
 *
 * A frame that goes this way leaves the same bytes behind, and the same counts, as one that goes the other.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "helper.h"
#include "fast.h"

#define VNET_SIZE 10
#define NEEDS_CSUM 1
#define GSO_ECN 0x80
#define GSO_TCPV4 1
#define GSO_TCPV6 4
#define GSO_UDP_L4 5

#define ETHER_SIZE 14
#define SAP_IP 0x0800
#define SAP_IPV6 0x86dd
#define SAP_VLAN 0x8100
#define TCP 6
#define UDP 17
#define ICMP 1
#define ICMPV6 58
#define UDP_STUFF 6

#define SOL_UDP 17
#define UDP_SEGMENT 103
#define UDP_GRO 104
#define PAYLOAD_MAX 65507u

#define MESSAGES_MAX 64
#define OCTETS_MAX (512u << 10)
#define RECEIVES_MAX 64
#define MARKS_MAX 2048
#define ROUNDS_MAX 64

static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static uint32_t hash(const uint8_t *p, uint32_t n)
{
	uint32_t h = 2166136261u;

	while (n--)
		h = (h ^ *p++) * 16777619u;
	return (h ^ h >> 16) % FAST_SLOTS;
}

static int transport(uint32_t protocol, int echo, const uint8_t *p, uint8_t *key)
{
	if (protocol == TCP || protocol == UDP) {
		memcpy(key, p, 4);
		return 1;
	}
	memset(key, 0, 4);
	key[0] = p[0];
	return echo;
}

/*
 * What tells one conversation from another: MAC addresses, ethertype, protocol, IP addresses and ports, of TCP and UDP to one station without
 * VLAN tag, IPv4 options, IPv6 extension headers or fragmentation; of echo requests and replies, the type instead of ports. Returns its length
 * in `key`, 0 for any other frame.
 */
int fast_conversation(const uint8_t *f, size_t size, uint8_t *key)
{
	uint32_t sap;

	if (size < ETHER_SIZE + 20 + 8 || f[0] & 1)
		return 0;
	sap = get16(f + 12);
	memcpy(key, f, 14);
	if (sap == SAP_IP) {
		if (f[14] != 0x45 || get16(f + 20) & 0x3fff)
			return 0;
		key[14] = f[23];
		memcpy(key + 15, f + 26, 8);
		return transport(f[23], f[23] == ICMP && (f[34] == 8 || f[34] == 0), f + 34, key + 23) ? 27 : 0;
	}
	if (sap == SAP_IPV6) {
		if (size < ETHER_SIZE + 40 + 8 || f[14] >> 4 != 6)
			return 0;
		key[14] = f[20];
		memcpy(key + 15, f + 22, 32);
		return transport(f[20], f[20] == ICMPV6 && f[54] >> 1 == 64, f + 54, key + 47) ? 51 : 0;
	}
	return 0;
}

int fast_out_slot(const uint8_t *key, uint32_t size) { return (int)hash(key, size); }
int fast_in_slot(const uint8_t *key, uint32_t size) { return (int)hash(key, size); }

/* ------------------------------------------------------------------ out */

/* A message as sys/message.py has it. */
typedef struct marks {
	int partial;
	uint32_t start, stuff, mss, hdr_len;
	int gso;
} marks;

/* See io/vnet.py: a header that contradicts its frame is not believed. */
static void decode(const uint8_t *memory, size_t size, marks *m)
{
	const uint8_t *f = memory + VNET_SIZE;
	uint16_t word[4];
	uint32_t mss, start, stuff, kind = memory[1] & ~(uint32_t)GSO_ECN, length, hdr_len = 0;

	memset(m, 0, sizeof *m);
	memcpy(word, memory + 2, sizeof word);
	mss = word[1];
	start = word[2];
	stuff = word[3];
	if (!(memory[0] & NEEDS_CSUM) || start + stuff + 2 > size)
		return;
	m->partial = 1;
	m->start = start;
	m->stuff = stuff;
	if (!memory[1])
		return;
	if (kind == GSO_UDP_L4) {
		hdr_len = start + 8;
	} else if ((kind == GSO_TCPV4 || kind == GSO_TCPV6) && start + 20 <= size) {
		length = (f[start + 12] >> 4) * 4u;
		hdr_len = length >= 20 ? start + length : 0;
	}
	if (!mss || !hdr_len || hdr_len >= size)
		return;
	m->gso = (int)kind;
	m->mss = mss;
	m->hdr_len = hdr_len;
}

/* Fill in the checksum of a single frame. */
static void complete(uint8_t *f, size_t size, const marks *m)
{
	uint32_t sum = hw_sum(f + m->start, size - m->start), value = sum ? 65535u - sum : 0;

	if (m->stuff == UDP_STUFF && !value)
		value = 65535u;
	f[m->start + m->stuff] = (uint8_t)(value >> 8);
	f[m->start + m->stuff + 1] = (uint8_t)value;
}

static int send_once(const fast_out *p, uint8_t *data, size_t size, size_t stride)
{
	union {
		char room[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} control;
	struct iovec part = {data, size};
	struct msghdr message = {0};
	uint16_t segment = (uint16_t)stride;

	message.msg_name = (void *)(uintptr_t)p->name;
	message.msg_namelen = p->name_size;
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	if (size > stride) {
		struct cmsghdr *c = &control.align;

		memset(&control, 0, sizeof control);
		message.msg_control = &control;
		message.msg_controllen = sizeof control.room;
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof segment);
		memcpy(CMSG_DATA(c), &segment, sizeof segment);
	}
	return sendmsg(p->fd, &message, 0) < 0 ? -1 : 0;
}

/* Send datagrams that lie one behind the other, and count them. Returns the bytes that went; those behind them did not. */
static size_t emit(fast_out *p, uint8_t *data, size_t total, size_t stride)
{
	size_t at = 0, most = PAYLOAD_MAX / stride;

	if (most > p->segments)
		most = p->segments;
	if (!most)
		most = 1;
	while (at < total) {
		size_t part = total - at < most * stride ? total - at : most * stride, count = (part + stride - 1) / stride;

		if (send_once(p, data + at, part, stride) < 0)
			return at;
		p->frames += count;
		p->octets += part - count * p->header_size;
		at += part;
	}
	return at;
}

/* Single frames that wait to leave together, at the start of the scratch memory. */
typedef struct waiting {
	fast_out *path;
	size_t size, stride, count;
} waiting;

static int settle(fast_out *paths, fast_out *p, uint8_t *scratch, size_t total, size_t stride, fast_result *r)
{
	size_t sent = emit(p, scratch, total, stride);

	if (sent)
		r->touched |= 1ull << (p - paths);
	if (sent == total)
		return 1;
	p->key_size = 0;
	r->unsent_at = (uint32_t)sent;
	r->unsent = (uint32_t)(total - sent);
	r->unsent_stride = (uint32_t)stride;
	r->unsent_header = p->header_size;
	return 0;
}

static int flush(fast_out *paths, waiting *w, uint8_t *scratch, fast_result *r)
{
	size_t size = w->size;

	w->size = 0;
	return !size || settle(paths, w->path, scratch, size, w->stride, r);
}

static int write_message(int tap, const uint8_t *data, const hw_message *m)
{
	uint8_t header[VNET_SIZE] = {0};
	struct iovec parts[2] = {{header, sizeof header}, {(void *)(uintptr_t)(data + m->offset), m->size}};
	uint16_t word[4] = {0, 0, 0, 0};

	if (m->mss || m->partial) {
		header[0] = m->partial ? NEEDS_CSUM : 0;
		header[1] = m->mss ? (uint8_t)m->gso : 0;
		word[0] = m->mss ? (uint16_t)m->hdr_len : 0;
		word[1] = (uint16_t)m->mss;
		word[2] = (uint16_t)m->start;
		word[3] = (uint16_t)m->stuff;
		memcpy(header + 2, word, sizeof word);
	}
	return writev(tap, parts, 2) < 0 ? -1 : 0;
}

/* Give a message to the TAP it is for. */
static int pass_on(fast_out *p, const uint8_t *f, size_t size, const marks *m)
{
	hw_message whole = {0};
	size_t frames = m->mss ? (size - m->hdr_len + m->mss - 1) / m->mss : 1;

	if (m->mss && !(p->runs >> m->gso & 1))
		return -1;
	whole.size = (uint32_t)size;
	whole.partial = m->partial;
	whole.start = m->start;
	whole.stuff = m->stuff;
	whole.gso = m->gso;
	whole.mss = m->mss;
	whole.hdr_len = m->hdr_len;
	if (write_message(p->fd, f, &whole) < 0)
		return -1;
	p->frames += frames;
	p->octets += size + (frames - 1) * m->hdr_len;
	return 0;
}

void fast_send(fast_out *paths, int tap, uint8_t *memory, size_t room, uint8_t *scratch, size_t scratch_room, fast_result *r)
{
	waiting w = {0};
	size_t octets = 0;
	int taken;

	memset(r, 0, sizeof *r);
	for (taken = 0; taken < MESSAGES_MAX && octets < OCTETS_MAX; taken++) {
		uint8_t key[52], *f = memory + VNET_SIZE, *at;
		ssize_t got = read(tap, memory, room);
		size_t size, whole;
		int key_size;
		fast_out *p;
		marks m;

		if (got <= VNET_SIZE)
			break;
		size = (size_t)got - VNET_SIZE;
		octets += size;
		key_size = fast_conversation(f, size, key);
		p = &paths[key_size ? hash(key, (uint32_t)key_size) : 0];
		decode(memory, size, &m);
		if (!key_size || p->key_size != (uint32_t)key_size || memcmp(p->key, key, (size_t)key_size) ||
		    p->header_size + (m.mss ? m.hdr_len + m.mss : size) > p->limit) {
			flush(paths, &w, scratch, r);
			r->message = (uint32_t)got;
			return;
		}
		if (p->local) {
			if (!flush(paths, &w, scratch, r) || pass_on(p, f, size, &m) < 0) {
				p->key_size = 0;
				r->message = (uint32_t)got;
				return;
			}
			r->touched |= 1ull << (p - paths);
			continue;
		}
		if (m.mss) {
			size_t stride = p->header_size + m.hdr_len + m.mss;
			int count;

			if (!flush(paths, &w, scratch, r)) {
				r->message = (uint32_t)got;
				return;
			}
			count = hw_cut(f, size, m.partial, m.start, m.gso, m.mss, m.hdr_len, p->header, p->header_size, scratch, scratch_room);
			if (count <= 0) {
				r->message = (uint32_t)got;
				return;
			}
			whole = size - m.hdr_len + (size_t)count * (p->header_size + m.hdr_len);
			if (!settle(paths, p, scratch, whole, stride, r))
				return;
			continue;
		}
		whole = p->header_size + size;
		if (w.size && (p != w.path || whole > w.stride || w.count == p->segments || w.size + whole > PAYLOAD_MAX) &&
		    !flush(paths, &w, scratch, r)) {
			r->message = (uint32_t)got;
			return;
		}
		if (!w.size) {
			w.path = p;
			w.stride = whole;
			w.count = 0;
		}
		at = scratch + w.size;
		memcpy(at, p->header, p->header_size);
		memcpy(at + p->header_size, f, size);
		if (m.partial)
			complete(at + p->header_size, size, &m);
		w.size += whole;
		w.count++;
		if (whole < w.stride && !flush(paths, &w, scratch, r))
			return;
	}
	flush(paths, &w, scratch, r);
}

/* ------------------------------------------------------------------ in */

static uint32_t claimed(const uint8_t *f, size_t size)
{
	if (size >= ETHER_SIZE + 20 && get16(f + 12) == SAP_IP)
		return ETHER_SIZE + get16(f + 16);
	if (size >= ETHER_SIZE + 40 && get16(f + 12) == SAP_IPV6)
		return ETHER_SIZE + 40 + get16(f + 18);
	return 0;
}

static void leave(fast_result *r, size_t begun, size_t end, size_t stride, int gathered)
{
	fast_batch *b = &r->batch[r->batches++];

	b->begun = (uint32_t)begun;
	b->end = (uint32_t)end;
	b->stride = (uint32_t)stride;
	b->gathered = (uint32_t)(gathered && end - begun > stride);
}

/* Write a batch to the TAP it is for. Returns 0 when it, or the rest of it, is left for others. */
static int hand_on(fast_in *paths, uint32_t header_size, const uint8_t *memory, size_t begun, size_t end, size_t stride, int gathered,
    uint8_t *merged, size_t merged_room, fast_result *r)
{
	static hw_message messages[MARKS_MAX];
	const uint8_t *batch = memory + begun;
	size_t total = end - begun, step = stride && stride < total ? stride : total, last, done = 0, key_size = header_size + 6u;
	fast_in *p;
	int count, at;

	last = step ? (total % step ? total % step : step) : 0;
	if (last < header_size + ETHER_SIZE || batch[header_size] & 1)
		goto others;
	p = &paths[hash(batch, (uint32_t)key_size)];
	if (p->key_size != key_size || memcmp(p->key, batch, key_size) || !hw_uniform(batch, total, step, key_size))
		goto others;
	if (!gathered && step < total && claimed(batch + header_size, total - header_size) == total - header_size)
		goto others;
	count = hw_receive(batch, total, step, header_size, p->mtu, 0, merged, merged_room, messages, MARKS_MAX);
	if (count <= 0)
		goto others;
	for (at = 0; at < count; at++) {
		const hw_message *m = &messages[at];

		if (get16(merged + m->offset + 12) == SAP_VLAN || (m->mss && !(p->runs >> m->gso & 1)))
			goto others;
	}
	for (at = 0; at < count; at++) {
		const hw_message *m = &messages[at];
		size_t frames = 1, size = total - done * step < step ? total - done * step : step;

		if (m->mss)
			frames = (m->size - m->hdr_len + m->mss - 1) / m->mss;
		if (write_message(p->tap, merged, m) < 0) {
			p->key_size = 0;
			begun += done * step;
			goto others;
		}
		r->touched |= 1ull << (p - paths);
		p->frames += frames;
		p->octets += m->size + (frames - 1) * m->hdr_len;
		done += m->size == size - header_size ? 1 : frames;
	}
	return 1;
others:
	leave(r, begun, end, stride, gathered);
	return 0;
}

static ssize_t receive(int udp, uint8_t *memory, size_t room, size_t *stride)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = {memory, room};
	struct msghdr message = {0};
	struct cmsghdr *c;
	ssize_t size;
	int segment;

	message.msg_iov = &part;
	message.msg_iovlen = 1;
	message.msg_control = &control;
	message.msg_controllen = sizeof control.room;
	*stride = 0;
	size = recvmsg(udp, &message, 0);
	if (size < 0)
		return size;
	for (c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&segment, CMSG_DATA(c), sizeof segment);
			*stride = (size_t)segment;
		}
	}
	return size;
}

void fast_receive(fast_in *paths, int udp, uint32_t header_size, uint8_t *memory, size_t gathered_max, size_t datagram_max,
    uint8_t *merged, size_t merged_room, fast_result *r)
{
	size_t begun = 0, end = 0, length = 0, stride;
	int taken;

	memset(r, 0, sizeof *r);
	for (taken = 0; taken < RECEIVES_MAX; taken++) {
		ssize_t got = receive(udp, memory + end, datagram_max, &stride);
		size_t size;
		int alone;

		if (got < 0 && (errno == EAGAIN || errno == EBADF))
			break;
		if (got < 0)
			continue;
		size = (size_t)got;
		alone = stride || !size;
		if (begun < end && (alone || size > length || (end - begun) % length)) {
			if (!hand_on(paths, header_size, memory, begun, end, length, 1, merged, merged_room, r)) {
				leave(r, end, end + size, alone ? stride : size, 0);
				return;
			}
			begun = end;
		}
		if (alone) {
			if (!hand_on(paths, header_size, memory, end, end + size, stride, 0, merged, merged_room, r))
				return;
			begun = end + size;
		} else if (begun == end) {
			length = size;
		}
		end += size;
		if (begun == end) {
			begun = end = 0;
		} else if (end > gathered_max) {
			if (!hand_on(paths, header_size, memory, begun, end, length, 1, merged, merged_room, r))
				return;
			begun = end = 0;
		}
	}
	if (begun < end)
		hand_on(paths, header_size, memory, begun, end, length, 1, merged, merged_room, r);
}

/* ------------------------------------------------------------------ both */

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

/* As epoll takes it: rounded up, so that nobody is woken too early; negative without end. */
static int milliseconds(int64_t nanoseconds)
{
	if (nanoseconds < 0)
		return -1;
	return nanoseconds < INT_MAX * (int64_t)1000000 ? (int)((nanoseconds + 999999) / 1000000) : INT_MAX;
}

/* Deal with what is ready at one descriptor. Returns 0 when something is left for others. */
static int serve(fast_turn_state *t, int fd, uint32_t events)
{
	fast_result *r = &t->result;
	fast_end *end;

	if (fd >= t->ends_size || events != EPOLLIN)
		return 0;
	end = &t->ends[fd];
	if (!end->outward && !end->inward)
		return 0;
	t->begun = 1;
	if (end->outward)
		fast_send(end->outward, fd, t->memory, t->memory_size, t->scratch, t->scratch_size, r);
	else
		fast_receive(end->inward, fd, end->header_size, t->memory, t->gathered_max, t->datagram_max, t->scratch, t->scratch_size, r);
	if (r->touched && !end->touched) {
		end->next = t->changed;
		t->changed = fd;
	}
	end->touched |= r->touched;
	if (r->message || r->unsent || r->batches)
		return 0;
	t->begun = 0;
	return 1;
}

/*
 * Wait, for so many nanoseconds (negative: without end), and go on as long as nothing comes but frames whose way is known; after a number of
 * rounds come back in any case.
 */
void fast_turn(fast_turn_state *t, int64_t nanoseconds)
{
	int64_t deadline = nanoseconds > 0 ? now() + nanoseconds : 0, left = nanoseconds;
	struct epoll_event events[FAST_READY_MAX];
	int round, at, count;

	t->changed = -1;
	t->begun = t->count = 0;
	for (round = 0; round < ROUNDS_MAX && !t->count; round++) {
		if (round && deadline)
			left = deadline - now();
		if (round && nanoseconds >= 0 && left <= 0)
			return;
		count = epoll_wait(t->epoll, events, FAST_READY_MAX, milliseconds(left));
		if (count <= 0)
			return;
		for (at = 0; at < count; at++) {
			if (!t->count && serve(t, events[at].data.fd, events[at].events))
				continue;
			t->ready[t->count].fd = events[at].data.fd;
			t->ready[t->count++].events = events[at].events;
		}
	}
}
