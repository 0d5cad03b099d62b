/* Where everything lies: sizes of the buffers, and weights in the order in which the loops read them.

   Hidden units and inputs are padded with zeros to whole vectors; a padded unit stays 0 through all steps and
   gradients. Gates are ordered so that the columns that belong to the input and those that belong to the state
   are each contiguous: GRU n | r | z | q with the input's n r z and the state's r z q (q is torch's third gate
   before it is multiplied by r), LSTM i | f | g | o for both. */
#ifndef ZOO_LAYOUT_H
#define ZOO_LAYOUT_H

#include "split.h"

#ifndef BLOCK
#define BLOCK 96 /* rows that go through all layers and steps together */
#endif

typedef struct {
    int64_t lstm, batch, steps, features, hidden, layers;
} Shape;

typedef struct {
    long gates, features, padded_features, hidden, padded, vectors; /* of one layer; gates 3 or 4 */
    const float *input, *state, *input_bias, *state_bias;           /* torch's parameters */
} Layer;

static const int GRU_INPUT[3] = {2, 0, 1}, GRU_STATE[3] = {0, 1, 2}, LSTM_BOTH[4] = {0, 1, 2, 3};

static Layer layer_of(const Shape *s, long l, const float *const *weights) {
    Layer layer = {.gates = s->lstm ? 4 : 3, .features = l ? s->hidden : s->features, .hidden = s->hidden};
    layer.padded_features = ROUND_UP(layer.features, LANES);
    layer.padded = ROUND_UP(layer.hidden, LANES);
    layer.vectors = layer.padded / LANES;
    if (weights) {
        layer.input = weights[4 * l], layer.state = weights[4 * l + 1];
        layer.input_bias = weights[4 * l + 2], layer.state_bias = weights[4 * l + 3];
    }
    return layer;
}

static const int *input_order(const Layer *y) { return y->gates == 4 ? LSTM_BOTH : GRU_INPUT; }
static const int *state_order(const Layer *y) { return y->gates == 4 ? LSTM_BOTH : GRU_STATE; }

/* Floats that a block of rows keeps of one layer: states, four gates and, in an LSTM, cells. */
static long kept_states(const Shape *s, const Layer *y, long rows) { return s->steps * rows * y->padded; }
static long kept_layer(const Shape *s, const Layer *y, long rows) { return kept_states(s, y, rows) * (s->lstm ? 6 : 5); }

/* [vectors][features | hidden][gates][LANES], then the starts of the sums [vectors][4][LANES]. */
static long tile_weights(const Layer *y) { return y->vectors * (y->features + y->hidden) * y->gates * LANES; }
static long loop_weights(const Layer *y) { return tile_weights(y) + y->vectors * 4 * LANES; }

/* Whether the matrix unit computes this layer: by its width alone, so that a row's bits do not depend on the batch. */
static int on_unit(const Layer *y) { return y->hidden >= UNIT_FROM && matrix_unit(); }
static long row_of_sums(const Layer *y) { return 4 * y->padded + LANES; } /* + LANES: rows must not share cache sets */

/* Right operands of the sums for the matrix unit, of the input and of the state, behind the loops' weights. */
static long split_weights(const Layer *y) {
    const long columns = y->gates * y->padded;
    return on_unit(y) ? (TILES_OF(columns, y->features) + TILES_OF(columns, y->hidden)) * TILE : 0;
}
static long forward_weights(const Layer *y) { return loop_weights(y) + split_weights(y); }

/* Gates behind a sigmoid are halved, see `sigmoid_of_half`; by torch's order: GRU r z n, LSTM i f g o. */
static float scale(int gate) { return gate == 2 ? 1.0f : 0.5f; }

static void pack_forward(const Layer *y, float *to) {
    memset(to, 0, forward_weights(y) * sizeof(float));
    const long width = y->features + y->hidden;
    const int *order[2] = {input_order(y), state_order(y)};
    for (long u = 0; u < y->hidden; u++)
        for (long g = 0; g < y->gates; g++) {
            float *w = to + (u / LANES * width * y->gates + g) * LANES + u % LANES;
            const float *input = y->input + (order[0][g] * y->hidden + u) * y->features;
            const float *state = y->state + (order[1][g] * y->hidden + u) * y->hidden;
            const float input_scale = scale(order[0][g]), state_scale = scale(order[1][g]);
            for (long k = 0; k < y->features; k++) w[k * y->gates * LANES] = input_scale * input[k];
            for (long k = 0; k < y->hidden; k++) w[(y->features + k) * y->gates * LANES] = state_scale * state[k];
        }
    for (long u = 0; u < y->hidden; u++)
        for (long g = 0; g < 4; g++) {
            /* GRU: n has the input's bias, q the state's, r and z both. */
            float *bias = to + tile_weights(y) + (u / LANES * 4 + g) * LANES + u % LANES;
            if (y->gates == 4 || g < 3) *bias += y->input_bias[order[0][g] * y->hidden + u];
            if (y->gates == 4) *bias += y->state_bias[g * y->hidden + u];
            if (y->gates == 3 && g > 0) *bias += y->state_bias[order[1][g - 1] * y->hidden + u];
            *bias *= y->gates == 4 || g < 3 ? scale(order[0][g]) : 1.0f;
        }
}

static void split_forward(const Layer *y, Pair *to, float *room) {
    const long columns = y->gates * y->padded;
    for (int side = 0; side < 2; side++) {
        const int *order = side ? state_order(y) : input_order(y);
        const float *from = side ? y->state : y->input;
        const long width = side ? y->hidden : y->features;
        memset(room, 0, width * columns * sizeof(float));
        for (long g = 0; g < y->gates; g++)
            for (long u = 0; u < y->hidden; u++)
                for (long k = 0; k < width; k++)
                    room[k * columns + g * y->padded + u] = scale(order[g]) * from[(order[g] * y->hidden + u) * width + k];
        split_right(width, columns, room, columns, to);
        to += TILES_OF(columns, width) * TILE;
    }
}

/* Rows are gates in the order of the loops: input [gates * padded][padded_features], state [..][padded]. */
static long row_weights(const Layer *y) { return y->gates * y->padded * (y->padded_features + y->padded); }
static long backward_weights(const Layer *y) {
    const long used = y->gates * y->padded, tiles = TILES_OF(y->padded_features, used) + TILES_OF(y->padded, used);
    return row_weights(y) + (on_unit(y) ? tiles * TILE : 0);
}

static void pack_rows(const Layer *y, const int *order, const float *from, long width, float *to, long ld) {
    for (long g = 0; g < y->gates; g++)
        for (long u = 0; u < y->hidden; u++)
            memcpy(to + (g * y->padded + u) * ld, from + (order[g] * y->hidden + u) * width, width * sizeof(float));
}

static void pack_backward(const Layer *y, float *to) {
    const long used = y->gates * y->padded;
    float *state = to + used * y->padded_features;
    memset(to, 0, row_weights(y) * sizeof(float));
    pack_rows(y, input_order(y), y->input, y->features, to, y->padded_features);
    pack_rows(y, state_order(y), y->state, y->hidden, state, y->padded);
    if (!on_unit(y)) return;
    Pair *pairs = (Pair *)(to + row_weights(y));
    split_right(used, y->padded_features, to, y->padded_features, pairs);
    split_right(used, y->padded, state, y->padded, pairs + TILES_OF(y->padded_features, used) * TILE);
}

/* Gradients of the input's and the state's weights, transposed: [padded_features][gates * padded] and [padded][..],
   since a narrow input then costs what it is wide; then [4][padded] of the sums' starts. */
static long gradients(const Layer *y) {
    return (y->padded_features + y->padded) * y->gates * y->padded + 4 * y->padded;
}

static void unpack_columns(const Layer *y, const int *order, const float *from, long width, float *to) {
    for (long g = 0; g < y->gates; g++)
        for (long u = 0; u < y->hidden; u++)
            for (long k = 0; k < width; k++)
                to[(order[g] * y->hidden + u) * width + k] = from[(k * y->gates + g) * y->padded + u];
}

static void unpack_gradients(const Layer *y, const float *from, float *const to[4]) {
    const float *state = from + y->padded_features * y->gates * y->padded;
    const float *bias = state + y->padded * y->gates * y->padded;
    unpack_columns(y, input_order(y), from, y->features, to[0]);
    unpack_columns(y, state_order(y), state, y->hidden, to[1]);
    const long skipped = y->gates == 4 ? 0 : y->padded; /* n is not a gate of the state, q not one of the input */
    for (long g = 0; g < y->gates; g++) {
        memcpy(to[2] + input_order(y)[g] * y->hidden, bias + g * y->padded, y->hidden * sizeof(float));
        memcpy(to[3] + state_order(y)[g] * y->hidden, bias + skipped + g * y->padded, y->hidden * sizeof(float));
    }
}

#endif
