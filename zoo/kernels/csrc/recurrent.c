/* nn.GRU and nn.LSTM on one core: blocks of rows go through all layers and steps while they are in cache.

   A training step of a layer with K inputs and H units costs, a row and step and gate, 2 H (K + H)
   operations forward and twice that backward. Every sum is taken in the same order at every call. */
#include "gemm.h"
#include "gru.h"
#include "layout.h"
#include "lstm.h"

typedef struct {
    Shape s;
    const float *x; /* [batch, steps, features], strides x_row, x_step, 1 */
    long x_row, x_step;
    const float *mask; /* [layers - 1, steps, batch, hidden]: dropout between layers, scaled; 0: none */
} Input;

static long most(long a, long b) { return a > b ? a : b; }
static long widest(const Shape *s) { return ROUND_UP(most(s->features, s->hidden), LANES); }

/* Rows of the block that starts at row b0. */
static long rows_of(const Shape *s, long b0) { return s->batch - b0 < BLOCK ? s->batch - b0 : BLOCK; }

static void copy_rows(long rows, long width, const float *from, long ld_from, float *to, long ld_to) {
    for (long i = 0; i < rows; i++) memcpy(to + i * ld_to, from + i * ld_from, width * sizeof(float));
}

/* The input of layer l at step t, [rows][padded]: the caller's, or what the layer below kept. */
static const float *layer_input(const Input *in, const Layer *y, long l, long t, long b0, long rows,
                                const float *below, float *room) {
    if (l == 0) {
        const float *x = in->x + b0 * in->x_row + t * in->x_step;
        copy_rows(rows, y->features, x, in->x_row, room, y->padded_features);
        return room;
    }
    below += t * rows * y->padded;
    if (!in->mask) return below;
    const float *mask = in->mask + (((l - 1) * in->s.steps + t) * in->s.batch + b0) * y->hidden;
    for (long i = 0; i < rows; i++)
        for (long u = 0; u < y->hidden; u++) room[i * y->padded + u] = below[i * y->padded + u] * mask[i * y->hidden + u];
    return room;
}

#define TILES(cell, ROWS)                                                   \
    static void cell##_tiles(const CellTile *t, long rows) {                \
        long i = 0;                                                         \
        for (; i + ROWS <= rows; i += ROWS) cell##_tile(ROWS, t, i);        \
        if (ROWS > 4 && rows - i >= 4) cell##_tile(4, t, i), i += 4;        \
        if (rows - i >= 2) cell##_tile(2, t, i), i += 2;                    \
        if (rows - i >= 1) cell##_tile(1, t, i);                            \
    }
TILES(gru, GRU_ROWS)
TILES(lstm, LSTM_ROWS)

static long kept_block(const Shape *s, long rows) {
    Layer y = layer_of(s, 0, 0);
    return s->layers * kept_layer(s, &y, rows);
}

int64_t zoo_lanes(void) { return LANES; }

int64_t zoo_stash_floats(const Shape *s) { return kept_block(s, s->batch); }

int64_t zoo_forward_floats(const Shape *s) {
    Layer y = layer_of(s, 0, 0);
    long total = rows_of(s, 0) * (widest(s) + 3 * s->steps * y.padded);
    for (long l = 0; l < s->layers; l++) {
        y = layer_of(s, l, 0);
        total += forward_weights(&y);
    }
    return total;
}

static void forward_block(const Input *in, const float *packed, const float *const *weights, long b0, float *out,
                          float *last, float *last_cell, float *stash, float *work) {
    const Shape *s = &in->s;
    const long rows = rows_of(s, b0);
    float *room = work, *states = room + rows * widest(s);
    const float *below = 0;
    memset(room, 0, rows * widest(s) * sizeof(float));
    for (long l = 0; l < s->layers; l++) {
        Layer y = layer_of(s, l, weights);
        const long size = rows * y.padded, all = s->steps * size;
        /* Without a gradient to come only this layer's states and those below are held. */
        float *h = stash ? stash + l * kept_layer(s, &y, rows) : states + l % 2 * all;
        float *gates = stash ? h + all : 0, *c = stash ? gates + 4 * all : states + 2 * all;
        for (long t = 0; t < s->steps; t++) {
            CellTile tile = {.features = y.features, .hidden = y.hidden, .ldx = y.padded_features, .ldh = y.padded};
            tile.x = layer_input(in, &y, l, t, b0, rows, below, room);
            tile.h = t ? h + (t - 1) * size : 0, tile.c = t ? c + (t - 1) * size : 0;
            tile.h_out = h + t * size, tile.c_out = c + t * size;
            for (long j = 0; j < y.vectors; j++) {
                tile.unit = j * LANES;
                tile.weight = packed + j * (y.features + y.hidden) * y.gates * LANES;
                tile.bias = packed + tile_weights(&y) + j * 4 * LANES;
                tile.gates = gates ? gates + (t * y.vectors + j) * rows * 4 * LANES : 0;
                if (s->lstm) lstm_tiles(&tile, rows);
                else gru_tiles(&tile, rows);
            }
            if (out && l == s->layers - 1)
                copy_rows(rows, y.hidden, tile.h_out, y.padded, out + (b0 * s->steps + t) * y.hidden,
                          s->steps * y.hidden);
        }
        const long end = (s->steps - 1) * size;
        copy_rows(rows, y.hidden, h + end, y.padded, last + (l * s->batch + b0) * y.hidden, y.hidden);
        if (s->lstm) copy_rows(rows, y.hidden, c + end, y.padded, last_cell + (l * s->batch + b0) * y.hidden, y.hidden);
        packed += forward_weights(&y);
        below = h;
    }
}

/* out [batch, steps, hidden] or 0; last and last_cell [layers, batch, hidden], the latter of an LSTM only;
   stash: zoo_stash_floats, or 0 where no gradient is wanted; work: zoo_forward_floats. */
void zoo_forward(const Shape *s, const float *x, int64_t x_row, int64_t x_step, const float *const *weights,
                 const float *mask, float *out, float *last, float *last_cell, float *stash, float *work) {
    Input in = {*s, x, x_row, x_step, mask};
    float *packed = work;
    for (long l = 0; l < s->layers; l++) {
        Layer y = layer_of(s, l, weights);
        pack_forward(&y, work);
        work += forward_weights(&y);
    }
    for (long b0 = 0; b0 < s->batch; b0 += BLOCK) {
        forward_block(&in, packed, weights, b0, out, last, last_cell, stash, work);
        if (stash) stash += kept_block(s, rows_of(s, b0));
    }
}

int64_t zoo_backward_floats(const Shape *s) {
    Layer y = layer_of(s, 0, 0);
    long total = rows_of(s, 0) * ((1 + s->steps) * widest(s) + 6 * y.padded + LANES);
    for (long l = 0; l < s->layers; l++) {
        y = layer_of(s, l, 0);
        total += backward_weights(&y) + gradients(&y);
    }
    return total;
}

typedef struct {
    const float *out, *last, *last_cell; /* of out [batch, steps, hidden] and so on; 0: none */
    long out_row, out_step;
    float *x; /* [batch, steps, features]; 0: not wanted */
} Outside;

/* Adds to the packed gradients of all layers, which end at `sums`; the weights end at `packed`. */
static void backward_block(const Input *in, const float *packed, float *sums, const Outside *d, long b0,
                           const float *stash, float *work) {
    const Shape *s = &in->s;
    const long rows = rows_of(s, b0), wide = rows * widest(s);
    float *room = work, *d_state = room + wide, *d_cell, *d_gates, *d_in;
    memset(room, 0, wide * sizeof(float));
    for (long l = s->layers - 1; l >= 0; l--) {
        Layer y = layer_of(s, l, 0);
        const long size = rows * y.padded, all = s->steps * size, ldg = 4 * y.padded + LANES; /* + LANES: rows must not share cache sets */
        const long x_gates = 0, h_gates = s->lstm ? 0 : y.padded, used = y.gates * y.padded;
        const int top = l == s->layers - 1;
        const float *h = stash + l * kept_layer(s, &y, rows), *gates = h + all, *c = gates + 4 * all;
        const float *below = l ? h - kept_layer(s, &y, rows) : 0;
        packed -= backward_weights(&y), sums -= gradients(&y);
        float *d_input = sums, *d_hidden = d_input + y.features * used, *d_bias = d_hidden + y.hidden * used;
        d_cell = d_state + size, d_gates = d_cell + size, d_in = d_gates + rows * ldg;
        memset(d_state, 0, 2 * size * sizeof(float));
        const long at = (l * s->batch + b0) * y.hidden;
        if (d->last) copy_rows(rows, y.hidden, d->last + at, y.hidden, d_state, y.padded);
        if (d->last_cell) copy_rows(rows, y.hidden, d->last_cell + at, y.hidden, d_cell, y.padded);
        for (long t = s->steps - 1; t >= 0; t--) {
            float *d_here = d_in + t * wide; /* [rows][padded] */
            if (top && d->out) {
                memset(d_here, 0, size * sizeof(float));
                copy_rows(rows, y.hidden, d->out + b0 * d->out_row + t * d->out_step, d->out_row, d_here, y.padded);
            }
            CellGradient g = {.ldh = y.padded, .ldg = ldg, .d_state = d_state, .d_cell = d_cell, .d_gates = d_gates};
            g.h = t ? h + (t - 1) * size : 0, g.c = t ? c + (t - 1) * size : 0, g.c_out = c + t * size;
            g.d_out = !top || d->out ? d_here : 0;
            for (long j = 0; j < y.vectors; j++) {
                g.unit = j * LANES, g.gates = gates + (t * y.vectors + j) * rows * 4 * LANES;
                vf bias[4];
                for (int k = 0; k < 4; k++) bias[k] = load(d_bias + k * y.padded + g.unit);
                if (s->lstm)
                    for (long i = 0; i < rows; i++) lstm_gradients(&g, i, bias);
                else
                    for (long i = 0; i < rows; i++) gru_gradients(&g, i, bias);
                for (int k = 0; k < 4; k++) store(d_bias + k * y.padded + g.unit, bias[k]);
            }
            const float *before = gates + (t - 1) * 4 * size;
            Ahead ahead = {(const char *)before, (const char *)(t ? before + 4 * size : before)};
            const float *x = layer_input(in, &y, l, t, b0, rows, below, room);
            Product to_weights = {y.features, used, rows, x, 1, y.padded_features, d_gates + x_gates, ldg, d_input, used, 1, &ahead};
            product(&to_weights);
            if (t) {
                Product to_hidden = {y.hidden, used, rows, g.h, 1, y.padded, d_gates + h_gates, ldg, d_hidden, used, 1, &ahead};
                Product to_state = {rows, y.padded, used, d_gates + h_gates, ldg, 1,
                                    packed + used * y.padded_features, y.padded, d_state, y.padded, 1, &ahead};
                product(&to_hidden);
                product(&to_state);
            }
            if (!l && !d->x) continue;
            Product to_input = {rows, y.padded_features, used, d_gates + x_gates, ldg, 1, packed, y.padded_features,
                                d_here, y.padded_features, 0, &ahead};
            product(&to_input);
            if (!l)
                copy_rows(rows, y.features, d_here, y.padded_features, d->x + (b0 * s->steps + t) * y.features,
                          s->steps * y.features);
            else if (in->mask) {
                const float *mask = in->mask + (((l - 1) * s->steps + t) * s->batch + b0) * y.hidden;
                for (long i = 0; i < rows; i++)
                    for (long u = 0; u < y.hidden; u++) d_here[i * y.padded + u] *= mask[i * y.hidden + u];
            }
        }
    }
}

/* d_weights: as `weights`, written. d_x [batch, steps, features] or 0. work: zoo_backward_floats. */
void zoo_backward(const Shape *s, const float *x, int64_t x_row, int64_t x_step, const float *const *weights,
                  const float *mask, const float *stash, const float *d_out, int64_t d_out_row, int64_t d_out_step,
                  const float *d_last, const float *d_last_cell, float *d_x, float *const *d_weights, float *work) {
    Input in = {*s, x, x_row, x_step, mask};
    Outside d = {d_out, d_last, d_last_cell, d_out_row, d_out_step, d_x};
    long total = 0;
    for (long l = 0; l < s->layers; l++) {
        Layer y = layer_of(s, l, weights);
        pack_backward(&y, work);
        work += backward_weights(&y), total += gradients(&y);
    }
    float *sums = work;
    memset(sums, 0, total * sizeof(float));
    for (long b0 = 0; b0 < s->batch; b0 += BLOCK) {
        backward_block(&in, sums, sums + total, &d, b0, stash, sums + total);
        stash += kept_block(s, rows_of(s, b0));
    }
    for (long l = 0; l < s->layers; l++) {
        Layer y = layer_of(s, l, weights);
        unpack_gradients(&y, sums, d_weights + 4 * l);
        sums += gradients(&y);
    }
}
