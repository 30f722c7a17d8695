/* What fast.c offers, as cffi reads it: declarations only. */

#define FAST_SLOTS 64
#define FAST_READY_MAX 256

/*
 * A conversation that leaves by a socket, or `local`: whose messages `fd`, a TAP, gets as they are, runs if it takes such `runs`. `key` is what `fast_conversation` gave; `key_size` 0: the place is free.
 */
typedef struct {
	uint8_t key[52];
	uint32_t key_size;
	int fd;
	int local;
	uint32_t runs;
	uint8_t name[28];
	uint32_t name_size;
	uint8_t header[64];
	uint32_t header_size;
	uint32_t limit;
	uint32_t segments;
	uint64_t frames, octets;
} fast_out;

/* An address whose frames go to a TAP. `key` is the encapsulation header and the address; `key_size` 0: the place is free. */
typedef struct {
	uint8_t key[70];
	uint32_t key_size;
	int tap;
	uint32_t runs;
	uint32_t mtu;
	uint64_t frames, octets;
} fast_in;

typedef struct {
	uint32_t begun, end, stride, gathered;
} fast_batch;

/*
 * What is left for others to do. `touched`: bit n, the counters of place n have changed.
 * After fast_send: `message` bytes at the start of the memory are a message with its virtio-net header that was not dealt with; before it,
 * `unsent` bytes from `unsent_at` of the scratch memory could not be sent: datagrams `unsent_stride` bytes apart.
 * After fast_receive: `batches` of received datagrams, in order.
 */
typedef struct {
	uint64_t touched;
	uint32_t message;
	uint32_t unsent_at, unsent, unsent_stride, unsent_header;
	uint32_t batches;
	fast_batch batch[2];
} fast_result;

/* What is known of a descriptor, its number being the place in a table: `outward` of a TAP, `inward` of a socket; neither: nothing. */
typedef struct {
	fast_out *outward;
	fast_in *inward;
	uint32_t header_size;
	uint64_t touched;
	int next;
} fast_end;

typedef struct {
	int fd;
	uint32_t events;
} fast_event;

/*
 * A turn of the event loop. After fast_turn: `changed` is the first descriptor of those, chained by `next`, whose counters have changed (-1:
 * none); `ready`, `count` of them, are the events left for others. `begun`: the first of them has been dealt with up to what `result` leaves.
 */
typedef struct {
	int epoll;
	fast_end *ends;
	int ends_size;
	uint8_t *memory, *scratch;
	size_t memory_size, scratch_size, gathered_max, datagram_max;
	int changed, begun, count;
	fast_event ready[FAST_READY_MAX];
	fast_result result;
} fast_turn_state;

int fast_conversation(const uint8_t *frame, size_t size, uint8_t *key);
int fast_out_slot(const uint8_t *key, uint32_t size);
int fast_in_slot(const uint8_t *key, uint32_t size);
void fast_send(fast_out *paths, int tap, uint8_t *memory, size_t room, uint8_t *scratch, size_t scratch_room, fast_result *result);
void fast_receive(fast_in *paths, int udp, uint32_t header_size, uint8_t *memory, size_t gathered_max, size_t datagram_max,
    uint8_t *merged, size_t merged_room, fast_result *result);
void fast_turn(fast_turn_state *turn, int64_t nanoseconds);
