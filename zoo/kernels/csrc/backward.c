/* The gradient of nn.GRU and nn.LSTM, a block of rows at a time, from what the way forward kept. */
#include "block.h"
#include "gemm.h"
#include "gru.h"
#include "lstm.h"

int64_t zoo_backward_floats(const Shape *s) {
    Layer y = layer_of(s, 0, 0);
    const long rows = ROUND_UP(rows_of(s, 0), 16), wide = widest(s), columns = 4 * y.padded;
    long total = rows * ((1 + s->steps) * wide + 6 * y.padded + LANES) + LANES;
    if (on_unit(&y)) total += (most(TILES_OF(rows, columns), TILES_OF(wide, rows)) + TILES_OF(columns, rows)) * TILE;
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

static void fetch_lines(void *work, long share) {
    Ahead *ahead = work;
    for (; share-- > 0 && ahead->next < ahead->end; ahead->next += 64) __builtin_prefetch(ahead->next, 0, 2);
}

/* Adds to the packed gradients of all layers, which end at `sums`; the weights end at `packed`. */
static void backward_block(const Input *in, const float *packed, float *sums, const Outside *d, long b0,
                           const float *stash, float *work) {
    const Shape *s = &in->s;
    const long rows = rows_of(s, b0), full = ROUND_UP(rows, 16), wide = full * widest(s);
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
        float *d_input = sums, *d_hidden = d_input + y.padded_features * used, *d_bias = d_hidden + y.padded * used;
        d_cell = d_state + full * y.padded, d_gates = d_cell + full * y.padded, d_in = d_gates + full * ldg;
        Pair *left = (Pair *)(d_in + s->steps * wide), *right = left + most(TILES_OF(full, 4 * y.padded), TILES_OF(widest(s), full)) * TILE;
        const Pair *input_weights = (const Pair *)(packed + row_weights(&y)), *state_weights = input_weights + TILES_OF(y.padded_features, used) * TILE;
        memset(d_state, 0, 2 * full * y.padded * sizeof(float));
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
            const float *x = layer_input(in, &y, l, t, b0, rows, l ? below + t * size : 0, room);
            const Meanwhile fetching = {fetch_lines, &ahead, 3};
            if (on_unit(&y)) {
                split_right(rows, ldg - LANES, d_gates, ldg, right);
                split_left(y.features, rows, x, 1, y.padded_features, left);
                split_product(y.features, used, rows, left, right, d_input, used, 1, &fetching);
                if (t) {
                    split_left(y.hidden, rows, g.h, 1, y.padded, left);
                    split_product(y.hidden, used, rows, left, right + TILES_OF(h_gates, rows) * TILE, d_hidden, used, 1, &fetching);
                }
                split_left(rows, used, d_gates + h_gates, ldg, 1, left);
                if (t) split_product(rows, y.padded, used, left, state_weights, d_state, y.padded, 1, &fetching);
            } else {
                Product to_weights = {y.features, used, rows, x, 1, y.padded_features, d_gates + x_gates, ldg, d_input, used, 1, &ahead};
                product(&to_weights);
                if (t) {
                    Product to_hidden = {y.hidden, used, rows, g.h, 1, y.padded, d_gates + h_gates, ldg, d_hidden, used, 1, &ahead};
                    Product to_state = {rows, y.padded, used, d_gates + h_gates, ldg, 1,
                                        packed + used * y.padded_features, y.padded, d_state, y.padded, 1, &ahead};
                    product(&to_hidden);
                    product(&to_state);
                }
            }
            if (!l && !d->x) continue;
            if (on_unit(&y)) {
                if (!s->lstm) split_left(rows, used, d_gates + x_gates, ldg, 1, left);
                split_product(rows, y.padded_features, used, left, input_weights, d_here, y.padded_features, 0, &fetching);
            } else {
                Product to_input = {rows, y.padded_features, used, d_gates + x_gates, ldg, 1, packed, y.padded_features,
                                    d_here, y.padded_features, 0, &ahead};
                product(&to_input);
            }
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
    work = aligned(work);
    begin_tiles();
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
    end_tiles();
    for (long l = 0; l < s->layers; l++) {
        Layer y = layer_of(s, l, weights);
        unpack_gradients(&y, sums, d_weights + 4 * l);
        sums += gradients(&y);
    }
}
