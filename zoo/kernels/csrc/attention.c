/* Additive attention over the steps of a row: w = softmax_t(u . tanh(V h_t + b)), context = sum_t w_t h_t.

   A block is about 128 steps: their hidden layer is made, used and forgotten in cache, and made again for the gradient. */
#include <math.h>

#include "gemm.h"
#include "split.h"

#define STEPS 128

typedef struct {
    int64_t rows, steps, width, inner;
} Size;

typedef struct {
    long rows, width, inner; /* rows of a block; the others padded to whole vectors */
    int unit;
    float *turned, *straight, *bias, *score;    /* V^T [width][inner], V [inner][width], b, u */
    float *sums, *d_width, *d_turned, *d_bias, *d_score; /* of a block [steps][inner], [steps][width]; V's [width][inner] */
    Pair *left, *right, *turned_right, *straight_right;
} Room;

static Ahead none = {0, 0};

static long arrange(const Size *s, float *work, Room *r) {
    r->rows = most(1, STEPS / s->steps);
    if (r->rows > s->rows) r->rows = s->rows;
    r->width = ROUND_UP(s->width, LANES), r->inner = ROUND_UP(s->inner, LANES);
    r->unit = s->width >= UNIT_FROM && s->inner >= UNIT_FROM && matrix_unit();
    const long steps = ROUND_UP(r->rows * s->steps, 16), wide = most(r->width, r->inner);
    float *at = aligned(work);
    r->turned = at, at += r->width * r->inner;
    r->straight = at, at += r->width * r->inner;
    r->bias = at, at += r->inner;
    r->score = at, at += r->inner;
    r->d_turned = at, at += r->width * r->inner;
    r->d_bias = at, at += r->inner;
    r->d_score = at, at += r->inner;
    r->sums = at, at += steps * r->inner;
    r->d_width = at, at += steps * r->width;
    r->left = (Pair *)at, at += r->unit * most(TILES_OF(steps, wide), TILES_OF(wide, steps)) * TILE;
    r->right = (Pair *)at, at += r->unit * TILES_OF(r->inner, steps) * TILE;
    r->turned_right = (Pair *)at, at += r->unit * TILES_OF(r->inner, s->width) * TILE;
    r->straight_right = (Pair *)at, at += r->unit * TILES_OF(r->width, s->inner) * TILE;
    return at - work + LANES;
}

int64_t zoo_attention_floats(const Size *s) {
    Room r;
    return arrange(s, 0, &r);
}

static void prepare(const Size *s, const float *weight, const float *bias, const float *score, float *work, Room *r) {
    arrange(s, work, r);
    memset(r->turned, 0, (char *)r->sums - (char *)r->turned);
    for (long a = 0; a < s->inner; a++) {
        memcpy(r->straight + a * r->width, weight + a * s->width, s->width * sizeof(float));
        for (long k = 0; k < s->width; k++) r->turned[k * r->inner + a] = weight[a * s->width + k];
    }
    memcpy(r->bias, bias, s->inner * sizeof(float)), memcpy(r->score, score, s->inner * sizeof(float));
    if (!r->unit) return;
    split_right(s->width, r->inner, r->turned, r->inner, r->turned_right);
    split_right(s->inner, r->width, r->straight, r->width, r->straight_right);
}

/* tanh(V h + b) of a block's steps into `sums`. */
static void hidden_layer(const Size *s, const Room *r, const float *h, long steps) {
    Product p = {steps, r->inner, s->width, h, s->width, 1, r->turned, r->inner, r->sums, r->inner, 0, &none};
    if (r->unit) split_left(steps, s->width, h, s->width, 1, r->left);
    multiply(&p, r->left, r->unit ? r->turned_right : 0);
    for (long i = 0; i < steps; i++)
        for (long a = 0; a < r->inner; a += LANES) {
            float *at = r->sums + i * r->inner + a;
            store(at, tanh_of(load(at) + load(r->bias + a)));
        }
}

static float dot(const float *a, const float *b, long n) {
    vf sums = {0};
    long i = 0;
    for (; i + LANES <= n; i += LANES) sums += load(a + i) * load(b + i);
    float total = 0;
    for (int l = 0; l < LANES; l++) total += sums[l];
    for (; i < n; i++) total += a[i] * b[i];
    return total;
}

/* h [rows, steps, width], V [inner, width] -> weights [rows, steps], context [rows, width]. */
void zoo_attention(const Size *s, const float *h, const float *weight, const float *bias, const float *score,
                   float *weights, float *context, float *work) {
    Room r;
    prepare(s, weight, bias, score, work, &r);
    if (r.unit) begin_tiles();
    for (long r0 = 0; r0 < s->rows; r0 += r.rows) {
        const long rows = s->rows - r0 < r.rows ? s->rows - r0 : r.rows;
        hidden_layer(s, &r, h + r0 * s->steps * s->width, rows * s->steps);
        for (long i = 0; i < rows; i++) {
            float *w = weights + (r0 + i) * s->steps, *mean = context + (r0 + i) * s->width, top = -INFINITY, total = 0;
            for (long t = 0; t < s->steps; t++) {
                w[t] = dot(r.sums + (i * s->steps + t) * r.inner, r.score, r.inner);
                top = w[t] > top ? w[t] : top;
            }
            for (long t = 0; t < s->steps; t++) total += w[t] = expf(w[t] - top);
            memset(mean, 0, s->width * sizeof(float));
            for (long t = 0; t < s->steps; t++) {
                const float *state = h + ((r0 + i) * s->steps + t) * s->width;
                w[t] /= total;
                for (long k = 0; k < s->width; k++) mean[k] += w[t] * state[k];
            }
        }
    }
    if (r.unit) end_tiles();
}

/* From d [rows, width] of the context: d_h, d_weight, d_bias, d_score, all written. */
void zoo_attention_backward(const Size *s, const float *h, const float *weight, const float *bias, const float *score,
                            const float *weights, const float *d, float *d_h, float *d_weight, float *d_bias,
                            float *d_score, float *work) {
    Room r;
    prepare(s, weight, bias, score, work, &r);
    if (r.unit) begin_tiles();
    for (long r0 = 0; r0 < s->rows; r0 += r.rows) {
        const long rows = s->rows - r0 < r.rows ? s->rows - r0 : r.rows, steps = rows * s->steps;
        const float *states = h + r0 * s->steps * s->width;
        hidden_layer(s, &r, states, steps);
        for (long i = 0; i < rows; i++) {
            const float *w = weights + (r0 + i) * s->steps, *di = d + (r0 + i) * s->width;
            float *d_sum = d_h + (r0 + i) * s->steps * s->width, mean = 0; /* room until d_h is written below */
            for (long t = 0; t < s->steps; t++) {
                d_sum[t] = dot(states + (i * s->steps + t) * s->width, di, s->width);
                mean += w[t] * d_sum[t];
            }
            for (long t = 0; t < s->steps; t++)
                for (long a = 0; a < r.inner; a += LANES) {
                    float *at = r.sums + (i * s->steps + t) * r.inner + a;
                    const vf value = load(at), by = splat(w[t] * (d_sum[t] - mean));
                    store(r.d_score + a, load(r.d_score + a) + by * value);
                    const vf below = by * load(r.score + a) * (1.0f - value * value);
                    store(r.d_bias + a, load(r.d_bias + a) + below);
                    store(at, below);
                }
        }
        Product to_weight = {s->width, r.inner, steps, states, 1, s->width, r.sums, r.inner, r.d_turned, r.inner, 1, &none};
        Product to_states = {steps, r.width, s->inner, r.sums, r.inner, 1, r.straight, r.width, r.d_width, r.width, 0, &none};
        if (r.unit) split_left(s->width, steps, states, 1, s->width, r.left), split_right(steps, r.inner, r.sums, r.inner, r.right);
        multiply(&to_weight, r.left, r.unit ? r.right : 0);
        if (r.unit) split_left(steps, s->inner, r.sums, r.inner, 1, r.left);
        multiply(&to_states, r.left, r.unit ? r.straight_right : 0);
        for (long i = 0; i < steps; i++)
            for (long k = 0; k < s->width; k++)
                d_h[(r0 * s->steps + i) * s->width + k] =
                    r.d_width[i * r.width + k] + weights[r0 * s->steps + i] * d[(r0 + i / s->steps) * s->width + k];
    }
    if (r.unit) end_tiles();
    for (long a = 0; a < s->inner; a++)
        for (long k = 0; k < s->width; k++) d_weight[a * s->width + k] = r.d_turned[k * r.inner + a];
    memcpy(d_bias, r.d_bias, s->inner * sizeof(float)), memcpy(d_score, r.d_score, s->inner * sizeof(float));
}
