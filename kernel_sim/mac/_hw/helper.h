/* What helper.c offers, as cffi reads it: declarations only. */

/* A message that frames became: where it is in the output, and its marks (see sys/message.py). */
typedef struct {
	uint32_t offset, size, partial, start, stuff, gso, mss, hdr_len;
} hw_message;

int hw_cut(const uint8_t *data, size_t size, int partial, uint32_t start, int gso, uint32_t mss, uint32_t hdr_len,
    const uint8_t *header, size_t gap, uint8_t *out, size_t room);
int hw_receive(const uint8_t *buffer, size_t total, size_t stride, size_t gap, uint32_t mtu, uint32_t segment, uint8_t *out, size_t room,
    hw_message *messages, int most);
uint32_t hw_sum(const uint8_t *p, size_t n);
int hw_uniform(const uint8_t *buffer, size_t total, size_t stride, size_t size);
