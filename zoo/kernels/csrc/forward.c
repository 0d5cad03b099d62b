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

/* Steps of some rows and vectors of units whose sums are made, taken while the matrix unit makes the next ones. */
typedef struct {
    CellTile tile;
    const float *starts; /* [vectors][4][LANES] */
    float *gates;        /* [vectors][all][4][LANES] or 0 */
    long all, first, i, last, j, vectors;
    int lstm;
} Pending;

static void take_steps(void *work, long count) {
    Pending *p = work;
    CellTile *t = &p->tile;
    for (; count-- > 0 && p->j < p->vectors; p->i + 1 < p->last ? p->i++ : (p->i = p->first, p->j++)) {
        const float *starts = p->starts + p->j * 4 * LANES, *sums = t->sums + p->i * t->lds + p->j * LANES;
        vf sum[4];
        for (int g = 0; g < 4; g++) sum[g] = load(starts + g * LANES) + load(sums + g * t->ldh);
        if (!p->lstm && !t->h) sum[3] = load(starts + 3 * LANES); /* q is of the state alone */
        t->unit = p->j * LANES, t->gates = p->gates ? p->gates + p->j * p->all * 4 * LANES : 0;
        if (p->lstm) lstm_step(t, p->i, sum);
        else gru_step(t, p->i, sum);
    }
}

/* A layer's step on the matrix unit: 32 rows by two vectors of units at a time. left: room for both operands. */
static void unit_step(const Layer *y, const CellTile *t, long rows, const float *starts, const Pair *weights, Pair *left,
                      float *sums, float *gates) {
    const int lstm = y->gates == 4;
    const long x_blocks = (y->features + 31) / 32, h_blocks = t->h ? (y->hidden + 31) / 32 : 0;
    const Pair *state = weights + TILES_OF(y->gates * y->padded, y->features) * TILE;
    Pair *left_h = left + TILES_OF(rows, y->features) * TILE;
    Pending pending = {*t, starts, gates, rows, 0, 0, 0, 0, 0, lstm};
    const long shares = SHARES * (lstm ? 4 : 3) * (x_blocks + h_blocks);
    const Meanwhile meanwhile = {take_steps, &pending, (63 + shares) / shares};
    split_left(rows, y->features, t->x, t->ldx, 1, left);
    if (t->h) split_left(rows, y->hidden, t->h, t->ldh, 1, left_h);
    for (long i = 0; i < rows; i += 32)
        for (long j = 0; j < y->vectors; j += 2) {
            for (long g = 0; g < 4; g++) {
                const long at = g * y->vectors + j, at_h = lstm ? at : at - y->vectors; /* n is not a gate of the state */
                Span spans[2] = {{x_blocks, left + i / 16 * x_blocks * 3 * TILE, weights + at * x_blocks * 3 * TILE},
                                 {h_blocks, left_h + i / 16 * h_blocks * 3 * TILE, state + at_h * h_blocks * 3 * TILE}};
                const int from = !lstm && g == 3, to = !lstm && g == 0 ? 1 : 2;
                split_span(i + 16 < rows, j + 1 < y->vectors, spans + from, to - from,
                           sums + i * t->lds + g * y->padded + j * LANES, t->lds, 0, &meanwhile);
            }
            take_steps(&pending, 64);
            pending.first = pending.i = i, pending.last = i + 32 < rows ? i + 32 : rows;
            pending.j = j, pending.vectors = j + 2 < y->vectors ? j + 2 : y->vectors;
        }
    take_steps(&pending, 64);
}

int64_t zoo_lanes(void) { return LANES; }

int zoo_unit;

int zoo_has_unit(void) { return matrix_unit(); }

int64_t zoo_stash_floats(const Shape *s) { return kept_block(s, s->batch); }

/* A layer while its steps are taken: two states and a cell that stay in cache, and what is kept of all steps, or 0. */
typedef struct {
    Layer y;
    const float *packed;
    float *states[2], *cell, *kept_states, *kept_cells, *kept_gates;
} Running;

static long held_floats(const Shape *s, const Layer *y, long rows) { return (2 + s->lstm) * rows * y->padded; }

int64_t zoo_forward_floats(const Shape *s) {
    Layer y = layer_of(s, 0, 0);
    const long rows = rows_of(s, 0), wide = widest(s);
    long total = rows * wide + s->layers * held_floats(s, &y, rows) + LANES;
    total += ROUND_UP(s->layers * sizeof(Running), 64) / sizeof(float);
    if (on_unit(&y)) total += 2 * TILES_OF(rows, wide) * TILE + most(ROUND_UP(rows, 16), wide) * row_of_sums(&y);
    for (long l = 0; l < s->layers; l++) {
        y = layer_of(s, l, 0);
        total += forward_weights(&y);
    }
    return total;
}

/* Step t of a layer from its input [rows][padded_features]; returns its state [rows][padded]. */
static const float *layer_step(const Running *r, long t, long rows, const float *x, float *sums) {
    const Layer *y = &r->y;
    const long size = rows * y->padded;
    const int lstm = y->gates == 4;
    CellTile tile = {.features = y->features, .hidden = y->hidden, .x = x, .ldx = y->padded_features, .ldh = y->padded};
    tile.h = t ? r->states[(t - 1) % 2] : 0, tile.h_out = r->states[t % 2], tile.c = tile.c_out = r->cell;
    tile.h_kept = r->kept_states + t * size, tile.c_kept = r->kept_cells + t * size;
    tile.sums = sums, tile.lds = row_of_sums(y);
    if (on_unit(y)) {
        Pair *left = (Pair *)(sums + ROUND_UP(rows, 16) * tile.lds);
        unit_step(y, &tile, rows, r->packed + tile_weights(y), (Pair *)(r->packed + loop_weights(y)), left, sums,
                  r->kept_gates ? r->kept_gates + t * 4 * size : 0);
    } else
        for (long j = 0; j < y->vectors; j++) {
            tile.unit = j * LANES;
            tile.weight = r->packed + j * (y->features + y->hidden) * y->gates * LANES;
            tile.bias = r->packed + tile_weights(y) + j * 4 * LANES;
            tile.gates = r->kept_gates ? r->kept_gates + (t * y->vectors + j) * rows * 4 * LANES : 0;
            if (lstm) lstm_tiles(&tile, rows);
            else gru_tiles(&tile, rows);
        }
    return tile.h_out;
}

static void forward_block(const Input *in, const float *packed, const float *const *weights, long b0, float *out,
                          float *last, float *last_cell, float *stash, float *work) {
    const Shape *s = &in->s;
    const long rows = rows_of(s, b0), top = s->layers - 1;
    Running *layers = (Running *)work;
    float *room = work + ROUND_UP(s->layers * sizeof(Running), 64) / sizeof(float), *held = room + rows * widest(s);
    memset(room, 0, rows * widest(s) * sizeof(float));
    for (long l = 0; l < s->layers; l++) {
        Running *r = layers + l;
        r->y = layer_of(s, l, weights), r->packed = packed, packed += forward_weights(&r->y);
        const long size = rows * r->y.padded;
        r->states[0] = held, r->states[1] = held + size, r->cell = held + 2 * size, held += held_floats(s, &r->y, rows);
        r->kept_states = stash ? stash + l * kept_layer(s, &r->y, rows) : 0;
        r->kept_gates = stash ? r->kept_states + s->steps * size : 0;
        r->kept_cells = stash ? r->kept_gates + 4 * s->steps * size : 0;
    }
    for (long t = 0; t < s->steps; t++) {
        const float *h = 0;
        for (long l = 0; l < s->layers; l++)
            h = layer_step(layers + l, t, rows, layer_input(in, &layers[l].y, l, t, b0, rows, h, room), held);
        if (out)
            stream_rows(rows, s->hidden, h, layers->y.padded, out + (b0 * s->steps + t) * s->hidden, s->steps * s->hidden);
    }
    for (long l = 0; l < s->layers; l++) {
        const Running *r = layers + l;
        const long at = (l * s->batch + b0) * s->hidden;
        copy_rows(rows, s->hidden, r->states[(s->steps - 1) % 2], r->y.padded, last + at, s->hidden);
        if (s->lstm) copy_rows(rows, s->hidden, r->cell, r->y.padded, last_cell + at, s->hidden);
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
    end_streams();
}

