/* nn.GRU and nn.LSTM on one core: blocks of rows go through all layers and steps while they are in cache.

   A training step of a layer with K inputs and H units costs, a row and step and gate, 2 H (K + H)
   operations forward and twice that backward. Every sum is taken in the same order at every call. */
#include "block.h"
#include "gru.h"
#include "lstm.h"

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

/* All sums of a layer's step [rows][lds], less their starts, for all units at once. */
static void unit_sums(const Layer *y, const CellTile *t, long rows, const Pair *weights, Pair *left, float *sums) {
    const long p = y->padded, columns = y->gates * p;
    const Pair *state = weights + TILES_OF(columns, y->features) * TILE;
    split_left(rows, y->features, t->x, t->ldx, 1, left);
    split_product(rows, columns, y->features, left, weights, sums, t->lds, 0);
    if (!t->h) return;
    split_left(rows, y->hidden, t->h, t->ldh, 1, left);
    if (y->gates == 4) {
        split_product(rows, columns, y->hidden, left, state, sums, t->lds, 1);
        return;
    }
    split_product(rows, 2 * p, y->hidden, left, state, sums + p, t->lds, 1);
    split_product(rows, p, y->hidden, left, state + TILES_OF(2 * p, y->hidden) * TILE, sums + 3 * p, t->lds, 0);
}

static void unit_steps(const CellTile *t, long rows, int lstm) {
    vf start[4], sum[4];
    for (int g = 0; g < 4; g++) start[g] = load(t->bias + g * LANES);
    for (long i = 0; i < rows; i++) {
        for (int g = 0; g < 4; g++) sum[g] = start[g] + load(t->sums + i * t->lds + g * t->ldh + t->unit);
        if (!lstm && !t->h) sum[3] = start[3]; /* q is of the state alone */
        if (lstm) lstm_step(t, i, sum);
        else gru_step(t, i, sum);
    }
}

int64_t zoo_lanes(void) { return LANES; }

int zoo_unit;

int zoo_has_unit(void) { return matrix_unit(); }

int64_t zoo_stash_floats(const Shape *s) { return kept_block(s, s->batch); }

int64_t zoo_forward_floats(const Shape *s) {
    Layer y = layer_of(s, 0, 0);
    const long rows = rows_of(s, 0), wide = widest(s);
    long total = rows * (wide + 3 * s->steps * y.padded) + LANES;
    if (on_unit(&y)) total += TILES_OF(rows, wide) * TILE + most(ROUND_UP(rows, 16), wide) * row_of_sums(&y);
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
    float *room = work, *states = room + rows * widest(s), *sums = states + 3 * s->steps * rows * ROUND_UP(s->hidden, LANES);
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
            tile.h_out = h + t * size, tile.c_out = c + t * size, tile.sums = sums, tile.lds = row_of_sums(&y);
            if (on_unit(&y)) {
                Pair *left = (Pair *)(sums + ROUND_UP(rows, 16) * tile.lds);
                unit_sums(&y, &tile, rows, (Pair *)(packed + loop_weights(&y)), left, sums);
            }
            for (long j = 0; j < y.vectors; j++) {
                tile.unit = j * LANES;
                tile.weight = packed + j * (y.features + y.hidden) * y.gates * LANES;
                tile.bias = packed + tile_weights(&y) + j * 4 * LANES;
                tile.gates = gates ? gates + (t * y.vectors + j) * rows * 4 * LANES : 0;
                if (on_unit(&y)) unit_steps(&tile, rows, s->lstm);
                else if (s->lstm) lstm_tiles(&tile, rows);
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
    float *packed = work = aligned(work);
    for (long l = 0; l < s->layers; l++) {
        Layer y = layer_of(s, l, weights);
        pack_forward(&y, work);
        work += forward_weights(&y);
        if (on_unit(&y)) split_forward(&y, (Pair *)(work - split_weights(&y)), work); /* behind: room for a while */
    }
    begin_tiles();
    for (long b0 = 0; b0 < s->batch; b0 += BLOCK) {
        forward_block(&in, packed, weights, b0, out, last, last_cell, stash, work);
        if (stash) stash += kept_block(s, rows_of(s, b0));
    }
    end_tiles();
}

