/* SPDX-License-Identifier: BSD-3-Clause */
/* Results of vqgen: time base, latency histogram, output. */
#include <stdio.h>
#include <time.h>

#include "vqgen.h"

#define CALIBRATE_NS 20000000ull

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

double
tsc_calibrate(void)
{
	uint64_t ns0 = now_ns(), tsc0 = rte_rdtsc(), ns1;

	do
		ns1 = now_ns();
	while (ns1 - ns0 < CALIBRATE_NS);
	return (double)(rte_rdtsc() - tsc0) * 1e9 / (double)(ns1 - ns0);
}

/* Bucket of a value: its power of two, and LAT_SUB steps within. */
static uint32_t
bucket_of(uint64_t v)
{
	uint32_t shift;

	if (v < LAT_SUB)
		return (uint32_t)v;
	shift = 63u - (uint32_t)__builtin_clzll(v) - (uint32_t)__builtin_ctz(LAT_SUB);
	return (shift + 1) * LAT_SUB + (uint32_t)(v >> shift) - LAT_SUB;
}

/** The value in the middle of a bucket. */
static double
bucket_value(uint32_t b)
{
	uint32_t shift;

	if (b < LAT_SUB)
		return b;
	shift = b / LAT_SUB - 1;
	return ((double)(b % LAT_SUB) + LAT_SUB + 0.5) * (double)(1ull << shift);
}

void
latency_add(struct results *r, uint64_t cycles)
{
	r->latency[bucket_of(cycles)]++;
	r->latency_n++;
}

/* Nanoseconds below which @p q (0..1) of the samples are. */
static double
latency_quantile(const struct results *r, double q)
{
	const double rank = q * (double)r->latency_n;
	uint64_t sum = 0;

	for (uint32_t b = 0; b < LAT_BUCKETS; b++) {
		sum += r->latency[b];
		if (r->latency[b] != 0 && (double)sum >= rank)
			return bucket_value(b) * 1e9 / r->tsc_hz;
	}
	return 0;
}

static void
print_human(const struct options *o, const struct results *r)
{
	printf("sent      %12.3f Mpps %9.3f Gbit/s\n", (double)r->tx_frames / r->seconds / 1e6,
	       (double)r->tx_bytes * 8 / r->seconds / 1e9);
	printf("received  %12.3f Mpps %9.3f Gbit/s   (2 ms slices, 90th percentile: %.3f Mpps)\n",
	       (double)r->rx_frames / r->seconds / 1e6, (double)r->rx_bytes * 8 / r->seconds / 1e9,
	       r->slice_p90 / 1e6);
	printf("from first to last: %lu sent, %lu received; longest time without a frame: %.0f "
	       "us\n",
	       r->all_sent, r->all_received, r->gap_us);
	if (o->mode == MODE_VERIFY)
		printf("checked: %lu in order, %lu lost, %lu duplicated, %lu reordered, %lu late, "
		       "%lu corrupt, %lu stray, %lu with a bad virtio-net header\n",
		       r->check.good, r->check.lost, r->check.duplicated, r->check.reordered,
		       r->check.late, r->check.corrupt, r->check.stray, r->check.bad_header);
	if (r->latency_n != 0)
		printf("latency: p50 %.0f ns, p90 %.0f ns, p99 %.0f ns, p99.9 %.0f ns, max %.0f "
		       "ns\n",
		       latency_quantile(r, 0.5), latency_quantile(r, 0.9),
		       latency_quantile(r, 0.99), latency_quantile(r, 0.999),
		       latency_quantile(r, 1));
}

static void
print_machine(const struct options *o, const struct results *r)
{
	const struct check *c = &r->check;

	printf("result mode=%s layout=%s seconds=%.3f tsc_hz=%.0f tx_pps=%.0f rx_pps=%.0f "
	       "rx_bps=%.0f slice_p90_pps=%.0f gap_us=%.0f sent=%lu received=%lu kicks=%lu "
	       "reconnects=%lu",
	       mode_name(o->mode), layout_name(o->layout), r->seconds, r->tsc_hz,
	       (double)r->tx_frames / r->seconds, (double)r->rx_frames / r->seconds,
	       (double)r->rx_bytes * 8 / r->seconds, r->slice_p90, r->gap_us, r->all_sent,
	       r->all_received, r->kicks, r->reconnects);
	printf(" lost=%lu duplicated=%lu reordered=%lu late=%lu corrupt=%lu stray=%lu "
	       "bad_header=%lu",
	       c->lost, c->duplicated, c->reordered, c->late, c->corrupt, c->stray, c->bad_header);
	if (r->latency_n != 0)
		printf(" p50_ns=%.0f p90_ns=%.0f p99_ns=%.0f p999_ns=%.0f max_ns=%.0f",
		       latency_quantile(r, 0.5), latency_quantile(r, 0.9),
		       latency_quantile(r, 0.99), latency_quantile(r, 0.999),
		       latency_quantile(r, 1));
	printf("\n");
}

void
report_progress(const struct results *r, uint64_t received, double gap_us)
{
	const struct check *c = &r->check;

	printf("progress received=%lu gap_us=%.0f lost=%lu duplicated=%lu reordered=%lu late=%lu "
	       "corrupt=%lu stray=%lu bad_header=%lu\n",
	       received, gap_us, c->lost, c->duplicated, c->reordered, c->late, c->corrupt,
	       c->stray, c->bad_header);
	fflush(stdout);
}

void
report(const struct options *o, const struct results *r)
{
	print_human(o, r);
	print_machine(o, r);
	fflush(stdout);
}
