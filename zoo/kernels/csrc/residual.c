/* A residual block of causal convolutions: out = relu(h2 + skip(x)), h2 = drop(relu(conv2(h1))), h1 = drop(relu(conv1(x))).

   x [rows][given][inputs] holds every d-th step up to the last, d the dilation, out every 2d-th: the second convolution
   and the skip have stride 2. A block of 32 rows goes through all of it in cache; bias, ReLU, dropout and the sum
   are taken where a step's products lie. Of the way forward h1, out and where h2 is above 0 are kept: the sign of what
   was dropped and rectified is its gradient's mask. */
#include "convolution.h"

typedef struct {
    int64_t rows, given, inputs, channels, taps, inner, steps, has_skip;
    int64_t dropped; /* of 2^16; 0: none */
} Sizes;

typedef struct {
    Convolution one, two, skip;
    long padded, ld;                     /* channels padded to whole vectors; floats of a row of sums */
    float *sums, *skipped, *h1;          /* a step's [BLOCK_ROWS][ld] twice; [BLOCK_ROWS][inner][channels] */
    float *d_inner, *d_outer, *d_sum;    /* of conv1's, conv2's and the block's sum [steps][BLOCK_ROWS][padded] */
    float *d_bias[3];                    /* of conv1, conv2, skip */
} Work;

static void convolution(Convolution *c, long inputs, long outputs, long taps, long stride, long given, long steps) {
    memset(c, 0, sizeof *c);
    c->inputs = inputs, c->outputs = outputs, c->taps = taps, c->stride = stride, c->given = given, c->steps = steps;
    c->first = given - (steps - 1) * stride - taps;
}

static long lay_out(const Sizes *s, int back, float *work, Work *w) {
    float *at = aligned(work);
    convolution(&w->one, s->inputs, s->channels, s->taps, 1, s->given, s->inner);
    convolution(&w->two, s->channels, s->channels, s->taps, 2, s->inner, s->steps);
    convolution(&w->skip, s->inputs, s->channels, 1, 2, s->given, s->steps);
    lay_convolution(&w->one, back, &at), lay_convolution(&w->two, back, &at);
    if (s->has_skip) lay_convolution(&w->skip, back, &at);
    w->padded = ROUND_UP(s->channels, LANES), w->ld = most(w->padded, ROUND_UP(s->inputs, LANES)) + LANES;
    w->sums = at, at += BLOCK_ROWS * w->ld;
    w->skipped = at, at += BLOCK_ROWS * w->ld;
    w->h1 = at, at += back ? 0 : BLOCK_ROWS * s->inner * s->channels;
    w->d_inner = at, at += back * s->inner * BLOCK_ROWS * w->padded;
    w->d_outer = at, at += back * s->steps * BLOCK_ROWS * w->padded;
    w->d_sum = at, at += back * s->steps * BLOCK_ROWS * w->padded;
    for (int i = 0; i < 3; i++) w->d_bias[i] = at, at += back * w->padded;
    return at - work + LANES;
}

int64_t zoo_residual_floats(const Sizes *s, int64_t back) {
    Work w;
    return lay_out(s, back, 0, &w);
}

/* What survives is scaled in one rounding, as torch does. */
static float scale_of(const Sizes *s) { return 65536.0 / (65536 - s->dropped); }

/* drop(relu(sums + bias)) of n channels; NaN stays. bits 0: nothing is dropped. */
INLINE void activate(long n, const float *sums, const float *bias, const int16_t *bits, int least, float scale, float *to) {
    if (bits)
        for (long u = 0; u < n; u++) {
            const float sum = sums[u] + bias[u];
            to[u] = (sum < 0 ? 0 : sum) * (bits[u] >= least ? scale : 0);
        }
    else
        for (long u = 0; u < n; u++) {
            const float sum = sums[u] + bias[u];
            to[u] = sum < 0 ? 0 : sum;
        }
}

/* The last step of x that output t's skip reads. */
static long skipped_to(const Sizes *s, long t) { return s->given - 1 - 2 * (s->steps - 1 - t); }

static void inner_steps(const Sizes *s, Work *w, const Field *x, long rows, const float *bias, const int16_t *bits, float *h1) {
    Term terms[s->taps];
    for (long t = 0; t < s->inner; t++) {
        sum_terms(&w->one, &w->one.on, x, rows, terms, read_by(&w->one, t, terms), w->sums, w->ld);
        for (long i = 0; i < rows; i++) {
            const long at = (i * s->inner + t) * s->channels;
            activate(s->channels, w->sums + i * w->ld, bias, bits ? bits + at : 0, s->dropped - 32768, scale_of(s), h1 + at);
        }
    }
}

static void outer_steps(const Sizes *s, Work *w, const Field *x, const Field *h1, long rows, const float *bias,
                        const float *skip_bias, const int16_t *bits, int8_t *active, float *out) {
    const long n = s->channels;
    Term terms[s->taps];
    for (long t = 0; t < s->steps; t++) {
        sum_terms(&w->two, &w->two.on, h1, rows, terms, read_by(&w->two, t, terms), w->sums, w->ld);
        if (s->has_skip) sum_terms(&w->skip, &w->skip.on, x, rows, terms, read_by(&w->skip, t, terms), w->skipped, w->ld);
        for (long i = 0; i < rows; i++) {
            const long at = (i * s->steps + t) * n;
            float *h2 = w->sums + i * w->ld, *to = out + at;
            const float *skip = s->has_skip ? w->skipped + i * w->ld : x->at + i * x->row + skipped_to(s, t) * x->step;
            activate(n, h2, bias, bits ? bits + at : 0, s->dropped - 32768, scale_of(s), h2);
            if (active)
                for (long u = 0; u < n; u++) active[at + u] = !(h2[u] <= 0);
            for (long u = 0; u < n; u++) {
                const float sum = h2[u] + (s->has_skip ? skip[u] + skip_bias[u] : skip[u]);
                to[u] = sum < 0 ? 0 : sum;
            }
        }
    }
}

/* x [rows][given][inputs], weights [outputs][inputs][taps], bits [rows][steps][channels] or 0 -> out [rows][steps][channels];
   h1 [rows][inner][channels] and active [rows][steps][channels], both 0 where no gradient is wanted. */
void zoo_residual(const Sizes *s, const float *x, const float *const *weights, const float *const *biases,
                  const int16_t *bits1, const int16_t *bits2, float *h1, int8_t *active, float *out, float *work) {
    Work w;
    lay_out(s, 0, work, &w);
    pack(&w.one, weights[0], 0), pack(&w.two, weights[1], 0);
    if (s->has_skip) pack(&w.skip, weights[2], 0);
    begin_tiles();
    for (long r = 0; r < s->rows; r += BLOCK_ROWS) {
        const long rows = s->rows - r < BLOCK_ROWS ? s->rows - r : BLOCK_ROWS, inner = r * s->inner * s->channels, outer = r * s->steps * s->channels;
        float *hidden = h1 ? h1 + inner : w.h1;
        const Field input = {x + r * s->given * s->inputs, s->given * s->inputs, s->inputs};
        const Field between = {hidden, s->inner * s->channels, s->channels};
        w.one.on.ready = w.two.on.ready = w.skip.on.ready = 0;
        inner_steps(s, &w, &input, rows, biases[0], bits1 ? bits1 + inner : 0, hidden);
        outer_steps(s, &w, &input, &between, rows, biases[1], s->has_skip ? biases[2] : 0, bits2 ? bits2 + outer : 0,
                    active ? active + outer : 0, out + outer);
    }
    end_tiles();
}

static void add_to(long n, float *restrict to, const float *restrict from) {
    for (long u = 0; u < n; u++) to[u] += from[u];
}

/* From d of the output: gradients of the block's sum and of the second convolution's. */
static void outer_gradient(const Sizes *s, Work *w, long rows, const float *out, const int8_t *active, const float *d) {
    const float scale = scale_of(s);
    for (long i = 0; i < rows; i++)
        for (long t = 0; t < s->steps; t++) {
            const long at = (i * s->steps + t) * s->channels, to = (t * BLOCK_ROWS + i) * w->padded;
            float *restrict sum = w->d_sum + to, *restrict outer = w->d_outer + to;
            for (long u = 0; u < s->channels; u++) {
                sum[u] = out[at + u] <= 0 ? 0 : d[at + u];
                outer[u] = active[at + u] ? sum[u] * scale : 0;
            }
            add_to(s->channels, w->d_bias[2], sum), add_to(s->channels, w->d_bias[1], outer);
        }
}

/* Gradient of the first convolution's sum, through the second. */
static void inner_gradient(const Sizes *s, Work *w, const Field *d_outer, long rows, const float *h1) {
    const float scale = scale_of(s);
    Term terms[s->taps];
    for (long t = 0; t < s->inner; t++) {
        sum_terms(&w->two, &w->two.back, d_outer, rows, terms, readers_of(&w->two, t, terms), w->sums, w->ld);
        for (long i = 0; i < rows; i++) {
            const float *above = h1 + (i * s->inner + t) * s->channels, *sum = w->sums + i * w->ld;
            float *to = w->d_inner + (t * BLOCK_ROWS + i) * w->padded;
            for (long u = 0; u < s->channels; u++) to[u] = above[u] <= 0 ? 0 : sum[u] * scale;
            add_to(s->channels, w->d_bias[0], to);
        }
    }
}

static void input_gradient(const Sizes *s, Work *w, const Field *d_inner, const Field *d_sum, long rows, float *d_x) {
    Term terms[s->taps];
    for (long t = 0; t < s->given; t++) {
        sum_terms(&w->one, &w->one.back, d_inner, rows, terms, readers_of(&w->one, t, terms), w->sums, w->ld);
        const long count = readers_of(&w->skip, t, terms);
        const float *skip = d_sum->at + (count ? terms[0].step * d_sum->step : 0);
        long ld = d_sum->row;
        if (count && s->has_skip) {
            sum_terms(&w->skip, &w->skip.back, d_sum, rows, terms, count, w->skipped, w->ld);
            skip = w->skipped, ld = w->ld;
        }
        for (long i = 0; i < rows; i++) {
            float *to = d_x + (i * s->given + t) * s->inputs, *sum = w->sums + i * w->ld;
            if (count)
                for (long u = 0; u < s->inputs; u++) to[u] = sum[u] + skip[i * ld + u];
            else memcpy(to, sum, s->inputs * sizeof(float));
        }
    }
}

/* d [rows][steps][channels] -> d_x, or 0 where it is not wanted, and all gradients of weights and biases, written. */
void zoo_residual_backward(const Sizes *s, const float *x, const float *const *weights, const float *h1,
                           const int8_t *active, const float *out, const float *d, float *d_x, float *const *d_weights,
                           float *const *d_biases, float *work) {
    Work w;
    lay_out(s, 1, work, &w);
    Convolution *all[3] = {&w.one, &w.two, &w.skip};
    const int count = s->has_skip ? 3 : 2;
    for (int i = 0; i < count; i++) pack(all[i], weights[i], 1);
    memset(w.d_inner, 0, (char *)(w.d_bias[2] + w.padded) - (char *)w.d_inner);
    begin_tiles();
    for (long r = 0; r < s->rows; r += BLOCK_ROWS) {
        const long rows = s->rows - r < BLOCK_ROWS ? s->rows - r : BLOCK_ROWS, inner = r * s->inner * s->channels, outer = r * s->steps * s->channels;
        const Field input = {x + r * s->given * s->inputs, s->given * s->inputs, s->inputs};
        const Field between = {h1 + inner, s->inner * s->channels, s->channels};
        const Field d_inner = {w.d_inner, w.padded, BLOCK_ROWS * w.padded}, d_outer = {w.d_outer, w.padded, BLOCK_ROWS * w.padded};
        const Field d_sum = {w.d_sum, w.padded, BLOCK_ROWS * w.padded};
        w.one.back.ready = w.two.back.ready = w.skip.back.ready = 0;
        outer_gradient(s, &w, rows, out + outer, active + outer, d + outer);
        add_weight_gradient(&w.two, &between, &d_outer, rows);
        inner_gradient(s, &w, &d_outer, rows, h1 + inner);
        add_weight_gradient(&w.one, &input, &d_inner, rows);
        if (s->has_skip) add_weight_gradient(&w.skip, &input, &d_sum, rows);
        if (d_x) input_gradient(s, &w, &d_inner, &d_sum, rows, d_x + r * s->given * s->inputs);
    }
    end_tiles();
    for (int i = 0; i < count; i++) {
        unpack_gradient(all[i], d_weights[i]);
        memcpy(d_biases[i], w.d_bias[i], s->channels * sizeof(float));
    }
}
