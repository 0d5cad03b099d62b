/* LSTM cell: i, f, o = sig(W [x h]), g = tanh(Wg [x h]), c' = f c + i g, h' = o tanh(c').

   A tile is up to 6 rows x one vector of hidden units with the four sums i, f, g, o in registers. All biases are
   in the sums' starts. */
#ifndef ZOO_LSTM_H
#define ZOO_LSTM_H

#include "tile.h"

INLINE void lstm_sums(const int rows, vf sum[LSTM_ROWS][4], const float *x, long ldx, long inputs, const float *w) {
    for (long k = 0; k < inputs; k++, w += 4 * LANES) {
        vf wi = load(w), wf = load(w + LANES), wg = load(w + 2 * LANES), wo = load(w + 3 * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            vf s = splat(x[i * ldx + k]);
            sum[i][0] += wi * s, sum[i][1] += wf * s, sum[i][2] += wg * s, sum[i][3] += wo * s;
        }
    }
}

INLINE void lstm_step(const CellTile *t, long i, const vf sum[4]) {
    const long at = i * t->ldh + t->unit;
    vf in = sigmoid_of_half(sum[0]), forget = sigmoid_of_half(sum[1]), out = sigmoid_of_half(sum[3]);
    vf g = tanh_of(sum[2]), c = in * g;
    if (t->h) c += forget * load(t->c + at);
    const vf h = out * tanh_of(c);
    store(t->c_out + at, c);
    store(t->h_out + at, h);
    if (t->gates) {
        float *kept = t->gates + i * 4 * LANES;
        stream(kept, in), stream(kept + LANES, forget), stream(kept + 2 * LANES, g), stream(kept + 3 * LANES, out);
        stream(t->h_kept + at, h), stream(t->c_kept + at, c);
    }
}

INLINE void lstm_tile(const int rows, const CellTile *t, long i0) {
    vf sum[LSTM_ROWS][4];
    for (int g = 0; g < 4; g++) {
        vf bias = load(t->bias + g * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) sum[i][g] = bias;
    }
    lstm_sums(rows, sum, t->x + i0 * t->ldx, t->ldx, t->features, t->weight);
    if (t->h) lstm_sums(rows, sum, t->h + i0 * t->ldh, t->ldh, t->hidden, t->weight + t->features * 4 * LANES);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) lstm_step(t, i0 + i, sum[i]);
}

/* Gradients of the sums from those of h' in `d_state` (then 0) and of c' in `d_cell` (then that of c).
   Rows of d_gates are i | f | g | o, for the input and the state alike. */
INLINE void lstm_gradients(const CellGradient *t, long i, vf bias[4]) {
    const float *kept = t->gates + i * 4 * LANES;
    vf in = load(kept), forget = load(kept + LANES), g = load(kept + 2 * LANES), out = load(kept + 3 * LANES);
    long at = i * t->ldh + t->unit;
    vf before = t->h ? load(t->c + at) : (vf){0}, after = tanh_of(load(t->c_out + at));
    float *d_gates = t->d_gates + i * t->ldg + t->unit;
    vf d = load(t->d_state + at);
    if (t->d_out) d += load(t->d_out + at);
    vf dc = load(t->d_cell + at) + d * out * (1.0f - after * after);
    vf di = dc * g * in * (1.0f - in), df = dc * before * forget * (1.0f - forget);
    vf dg = dc * in * (1.0f - g * g), d_o = d * after * out * (1.0f - out);
    store(t->d_state + at, (vf){0});
    store(t->d_cell + at, dc * forget);
    store(d_gates, di), store(d_gates + t->ldh, df), store(d_gates + 2 * t->ldh, dg), store(d_gates + 3 * t->ldh, d_o);
    bias[0] += di, bias[1] += df, bias[2] += dg, bias[3] += d_o;
}

#endif
