/*
 * Small datagrams at a chosen rate, and how many of them arrive.
 *
 *     small send ADDRESS PORT SIZE RATE SECONDS    prints the datagrams sent and the seconds they took
 *     small receive PORT                           prints "ready", then, after a pause, the datagrams received and those out of order
 *
 * Each datagram begins with its number. The sender sleeps between bursts of a tenth of a millisecond: one that spins takes a processor away
 * from those it measures.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define BURSTS_A_SECOND 10000
#define BURST_MAX 64
#define SIZE_MAX_ 1400
#define ROOM (16 << 20)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double when)
{
	struct timespec t = {.tv_sec = (time_t)when};

	t.tv_nsec = (long)((when - (double)t.tv_sec) * 1e9);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int failed(const char *what)
{
	perror(what);
	return 1;
}

static int send_all(const char *address, int port, size_t size, double rate, double seconds)
{
	static uint8_t data[BURST_MAX][SIZE_MAX_];
	struct mmsghdr messages[BURST_MAX] = {0};
	struct iovec parts[BURST_MAX];
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	uint64_t sent = 0, wanted = (uint64_t)(rate * seconds);
	double burst = rate / BURSTS_A_SECOND, begin, time;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), n;

	if (size < sizeof sent || size > SIZE_MAX_ || inet_pton(AF_INET, address, &peer.sin_addr) != 1) {
		fprintf(stderr, "small: bad size or address\n");
		return 2;
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof peer) < 0)
		return failed("connect");
	for (n = 0; n < BURST_MAX; n++) {
		parts[n] = (struct iovec){data[n], size};
		messages[n].msg_hdr.msg_iov = &parts[n];
		messages[n].msg_hdr.msg_iovlen = 1;
	}
	prctl(PR_SET_TIMERSLACK, 1ul);
	if (burst < 1)
		burst = 1;
	begin = now();
	while (sent < wanted && (time = now() - begin) < seconds * 2) {
		double due = time * rate - (double)sent;
		int count = due < BURST_MAX ? (int)due : BURST_MAX;

		if (count < 1) {
			sleep_until(begin + ((double)sent + burst) / rate);
			continue;
		}
		for (n = 0; n < count; n++) {
			uint64_t number = sent + (uint64_t)n;

			memcpy(data[n], &number, sizeof number);
		}
		n = sendmmsg(fd, messages, (unsigned)count, 0);
		if (n > 0)
			sent += (uint64_t)n;
	}
	printf("%llu %.6f\n", (unsigned long long)sent, now() - begin);
	return 0;
}

static int receive_all(int port)
{
	static uint8_t data[BURST_MAX][SIZE_MAX_];
	struct mmsghdr messages[BURST_MAX] = {0};
	struct iovec parts[BURST_MAX];
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct timeval first = {.tv_sec = 10}, pause = {.tv_usec = 300000};
	uint64_t received = 0, late = 0, next = 0, number;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = ROOM, count, n;

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0)
		return failed("bind");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
		return failed("SO_RCVBUFFORCE");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &first, sizeof first) < 0)
		return failed("SO_RCVTIMEO");
	for (n = 0; n < BURST_MAX; n++) {
		parts[n] = (struct iovec){data[n], SIZE_MAX_};
		messages[n].msg_hdr.msg_iov = &parts[n];
		messages[n].msg_hdr.msg_iovlen = 1;
	}
	printf("ready\n");
	fflush(stdout);
	while ((count = recvmmsg(fd, messages, BURST_MAX, MSG_WAITFORONE, NULL)) > 0) {
		if (!received && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof pause) < 0)
			return failed("SO_RCVTIMEO");
		received += (uint64_t)count;
		for (n = 0; n < count; n++) {
			memcpy(&number, data[n], sizeof number);
			if (number < next)
				late++;
			else
				next = number + 1;
		}
	}
	printf("%llu %llu\n", (unsigned long long)received, (unsigned long long)late);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "send"))
		return send_all(argv[2], atoi(argv[3]), (size_t)atoi(argv[4]), atof(argv[5]), atof(argv[6]));
	if (argc == 3 && !strcmp(argv[1], "receive"))
		return receive_all(atoi(argv[2]));
	fprintf(stderr, "usage: small send ADDRESS PORT SIZE RATE SECONDS | small receive PORT\n");
	return 2;
}
