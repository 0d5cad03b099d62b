/* A convolution over time of a block of rows, as sums of products of one step by one tap each.

   The block's rows at one step are the rows of a product, so taps are never laid side by side: output t is the sum over
   taps j of x[first + t * stride + j] W[j], and what lies before the first step is left out, not multiplied by zero.
   The gradient of the input is the same sum, over the outputs that read a step. On the matrix unit a step is cut once
   for all its taps and held in a ring until the last of them was used. */
#ifndef ZOO_CONVOLUTION_H
#define ZOO_CONVOLUTION_H

#include "gemm.h"

#define BLOCK_ROWS 32
#define CHUNK 8 /* steps whose share of a weight's gradient is summed before it is written */

/* Channel u of row i at step t lies at at[i * row + t * step + u]. */
typedef struct {
    const float *at;
    long row, step;
} Field;

typedef struct {
    long step, tap;
} Term;

/* Weights in one direction: [taps][inputs][outputs], outputs padded to whole vectors. */
typedef struct {
    long inputs, outputs;
    float *weight;
    Pair *right, *ring; /* the weights and the latest [taps] steps, cut for the matrix unit */
    long ready;         /* steps below this one were cut */
} Side;

typedef struct {
    long inputs, outputs, taps, stride, given, steps, first; /* first: the step that tap 0 of output 0 reads, or below 0 */
    int unit;
    Side on, back;
    float *d_weight;         /* [taps][inputs padded to 16][padded outputs] */
    Pair *d_left, *d_right;  /* a chunk's steps of the input, turned, and of the output's gradient */
} Convolution;

static Ahead no_memory = {0, 0};

INLINE Pair *pairs(float **at, long count) {
    Pair *found = (Pair *)*at;
    *at += count;
    return found;
}

static void lay_side(const Convolution *c, Side *side, long inputs, long outputs, float **at) {
    side->inputs = inputs, side->outputs = ROUND_UP(outputs, LANES), side->ready = 0;
    side->weight = *at, *at += ROUND_UP(c->taps * inputs * side->outputs, 16);
    side->right = pairs(at, c->unit * c->taps * TILES_OF(side->outputs, inputs) * TILE);
    side->ring = pairs(at, c->unit * c->taps * TILES_OF(BLOCK_ROWS, inputs) * TILE);
}

/* Room for one convolution from `at` on; `back`: also for its gradient. */
static void lay_convolution(Convolution *c, int back, float **at) {
    c->unit = c->inputs >= UNIT_FROM && c->outputs >= UNIT_FROM && matrix_unit();
    lay_side(c, &c->on, c->inputs, c->outputs, at);
    if (!back) return;
    lay_side(c, &c->back, c->outputs, c->inputs, at);
    c->d_weight = *at, *at += c->taps * ROUND_UP(c->inputs, 16) * c->on.outputs;
    c->d_left = pairs(at, c->unit * ((CHUNK - 1) * c->stride + c->taps) * TILES_OF(c->inputs, BLOCK_ROWS) * TILE);
    c->d_right = pairs(at, c->unit * CHUNK * TILES_OF(c->on.outputs, BLOCK_ROWS) * TILE);
}

/* Torch's weight [outputs][inputs][taps] into one direction. */
static void pack_side(const Convolution *c, Side *side, const float *weight, int back) {
    memset(side->weight, 0, c->taps * side->inputs * side->outputs * sizeof(float));
    for (long o = 0; o < c->outputs; o++)
        for (long i = 0; i < c->inputs; i++)
            for (long j = 0; j < c->taps; j++)
                side->weight[(j * side->inputs + (back ? o : i)) * side->outputs + (back ? i : o)] =
                    weight[(o * c->inputs + i) * c->taps + j];
    for (long j = 0; j < (c->unit ? c->taps : 0); j++)
        split_right(side->inputs, side->outputs, side->weight + j * side->inputs * side->outputs, side->outputs,
                    side->right + j * TILES_OF(side->outputs, side->inputs) * TILE);
}

static void pack(Convolution *c, const float *weight, int back) {
    if (back) {
        pack_side(c, &c->back, weight, 1);
        memset(c->d_weight, 0, c->taps * ROUND_UP(c->inputs, 16) * c->on.outputs * sizeof(float));
    } else pack_side(c, &c->on, weight, 0);
}

/* The steps that output t reads, ascending. */
static long read_by(const Convolution *c, long t, Term *terms) {
    long count = 0;
    for (long j = 0; j < c->taps; j++) {
        const long step = c->first + t * c->stride + j;
        if (step >= 0 && step < c->given) terms[count++] = (Term){step, j};
    }
    return count;
}

/* The outputs that read step s, ascending. */
static long readers_of(const Convolution *c, long s, Term *terms) {
    long count = 0;
    for (long j = c->taps - 1; j >= 0; j--) {
        const long at = s - c->first - j;
        if (at >= 0 && at % c->stride == 0 && at / c->stride < c->steps) terms[count++] = (Term){at / c->stride, j};
    }
    return count;
}

/* sums [rows][ld]: of the terms' steps of x by their taps. Steps may not go back by more than the taps from call to call. */
static void sum_terms(const Convolution *c, Side *side, const Field *x, long rows, const Term *terms, long count,
                      float *sums, long ld) {
    if (!count) memset(sums, 0, rows * ld * sizeof(float));
    if (!c->unit) {
        for (long i = 0; i < count; i++) {
            Product one = {rows, side->outputs, side->inputs, x->at + terms[i].step * x->step, x->row, 1,
                           side->weight + terms[i].tap * side->inputs * side->outputs, side->outputs, sums, ld, i > 0,
                           &no_memory};
            product(&one);
        }
        return;
    }
    const long blocks = (side->inputs + 31) / 32, of_step = TILES_OF(BLOCK_ROWS, side->inputs) * TILE;
    Span spans[c->taps];
    for (long i = 0; i < count; i++) {
        Pair *left = side->ring + terms[i].step % c->taps * of_step;
        if (terms[i].step >= side->ready) {
            split_left(rows, side->inputs, x->at + terms[i].step * x->step, x->row, 1, left);
            side->ready = terms[i].step + 1;
        }
        spans[i] = (Span){blocks, left, side->right + terms[i].tap * TILES_OF(side->outputs, side->inputs) * TILE};
    }
    for (long o = 0; o < (count ? side->outputs : 0); o += 32) {
        split_span(rows > 16, o + 16 < side->outputs, spans, count, sums + o, ld, 0, 0);
        for (long i = 0; i < count; i++) spans[i].right += 2 * blocks * 3 * TILE;
    }
}

/* One tap's share of a chunk: d_weight += sum over its outputs of x[step]^T d[t]. */
static void add_chunk(const Convolution *c, const Field *x, const Field *d, long rows, long t0, long t1, long s0, long tap) {
    const long padded = c->on.outputs, of_left = TILES_OF(c->inputs, BLOCK_ROWS) * TILE, of_right = TILES_OF(padded, BLOCK_ROWS) * TILE;
    float *sum = c->d_weight + tap * ROUND_UP(c->inputs, 16) * padded;
    Span spans[CHUNK];
    long count = 0;
    for (long t = t0; t < t1; t++) {
        const long s = c->first + t * c->stride + tap;
        if (s < 0 || s >= c->given) continue;
        Product one = {c->inputs, padded, rows, x->at + s * x->step, 1, x->row, d->at + t * d->step, d->row, sum, padded, 1, &no_memory};
        if (!c->unit) product(&one);
        else spans[count++] = (Span){1, c->d_left + (s - s0) * of_left, c->d_right + (t - t0) * of_right};
    }
    for (long i = 0; i < (count ? c->inputs : 0); i += 32)
        for (long o = 0; o < padded; o += 32) {
            Span part[CHUNK];
            for (long n = 0; n < count; n++) part[n] = (Span){1, spans[n].left + i / 16 * 3 * TILE, spans[n].right + o / 16 * 3 * TILE};
            split_span(i + 16 < c->inputs, o + 16 < padded, part, count, sum + i * padded + o, padded, 1, 0);
        }
}

/* d_weight += of the block's input and the gradient of its outputs, whose channels are padded to whole vectors. */
static void add_weight_gradient(const Convolution *c, const Field *x, const Field *d, long rows) {
    for (long t0 = 0; t0 < c->steps; t0 += CHUNK) {
        const long t1 = t0 + CHUNK < c->steps ? t0 + CHUNK : c->steps, end = c->first + (t1 - 1) * c->stride + c->taps;
        const long s0 = most(0, c->first + t0 * c->stride), s1 = end < c->given ? end : c->given;
        for (long t = t0; t < (c->unit ? t1 : 0); t++)
            split_right(rows, c->on.outputs, d->at + t * d->step, d->row, c->d_right + (t - t0) * TILES_OF(c->on.outputs, BLOCK_ROWS) * TILE);
        for (long s = s0; s < (c->unit ? s1 : 0); s++)
            split_left(c->inputs, rows, x->at + s * x->step, 1, x->row, c->d_left + (s - s0) * TILES_OF(c->inputs, BLOCK_ROWS) * TILE);
        for (long j = 0; j < c->taps; j++) add_chunk(c, x, d, rows, t0, t1, s0, j);
    }
}

static void unpack_gradient(const Convolution *c, float *to) {
    for (long o = 0; o < c->outputs; o++)
        for (long i = 0; i < c->inputs; i++)
            for (long j = 0; j < c->taps; j++)
                to[(o * c->inputs + i) * c->taps + j] = c->d_weight[(j * ROUND_UP(c->inputs, 16) + i) * c->on.outputs + o];
}

#endif
