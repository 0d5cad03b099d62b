/* GRU cell: r = sig(Wr [x h]), z = sig(Wz [x h]), n = tanh(Wn x + r q) with q = Vn h, h' = n + z (h - n).

   A tile is up to 8 rows x one vector of hidden units with three sums a row in registers: the input adds to n, r
   and z; n is put aside and q takes its place; the state adds to q, r and z. All biases are in the sums' starts. */
#ifndef ZOO_GRU_H
#define ZOO_GRU_H

#include "tile.h"

/* From the sums n (of the input), r, z, q. */
INLINE void gru_step(const CellTile *t, long i, const vf sum[4]) {
    vf q = sum[3], r = sigmoid_of_half(sum[1]), z = sigmoid_of_half(sum[2]);
    vf n = tanh_of(sum[0] + r * q);
    vf before = t->h ? load(t->h + i * t->ldh + t->unit) : (vf){0};
    const vf h = n + z * (before - n);
    store(t->h_out + i * t->ldh + t->unit, h);
    if (t->gates) {
        float *kept = t->gates + i * 4 * LANES;
        stream(kept, n), stream(kept + LANES, r), stream(kept + 2 * LANES, z), stream(kept + 3 * LANES, q);
        stream(t->h_kept + i * t->ldh + t->unit, h);
    }
}

INLINE void gru_tile(const int rows, const CellTile *t, long i0) {
    const float *x = t->x + i0 * t->ldx, *h = t->h ? t->h + i0 * t->ldh : 0, *w = t->weight;
    vf sum[GRU_ROWS][3], from_input[GRU_ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int g = 0; g < 3; g++) sum[i][g] = load(t->bias + g * LANES);
    for (long k = 0; k < t->features; k++, w += 3 * LANES) {
        vf wn = load(w), wr = load(w + LANES), wz = load(w + 2 * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            vf s = splat(x[i * t->ldx + k]);
            sum[i][0] += wn * s, sum[i][1] += wr * s, sum[i][2] += wz * s;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) from_input[i] = sum[i][0], sum[i][0] = load(t->bias + 3 * LANES);
    if (h)
        for (long k = 0; k < t->hidden; k++, w += 3 * LANES) {
            vf wr = load(w), wz = load(w + LANES), wq = load(w + 2 * LANES);
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++) {
                vf s = splat(h[i * t->ldh + k]);
                sum[i][1] += wr * s, sum[i][2] += wz * s, sum[i][0] += wq * s;
            }
        }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        const vf all[4] = {from_input[i], sum[i][1], sum[i][2], sum[i][0]};
        gru_step(t, i0 + i, all);
    }
}

/* Gradients of the sums from that of h', in `d_state`, which becomes the part of h's that needs no product.
   Rows of d_gates are n | r | z | q: the input's are the first three, the state's the last three. */
INLINE void gru_gradients(const CellGradient *t, long i, vf bias[4]) {
    const float *kept = t->gates + i * 4 * LANES;
    vf n = load(kept), r = load(kept + LANES), z = load(kept + 2 * LANES), q = load(kept + 3 * LANES);
    vf before = t->h ? load(t->h + i * t->ldh + t->unit) : (vf){0};
    float *d_state = t->d_state + i * t->ldh + t->unit, *d_gates = t->d_gates + i * t->ldg + t->unit;
    vf d = load(d_state);
    if (t->d_out) d += load(t->d_out + i * t->ldh + t->unit);
    vf dn = d * (1.0f - z) * (1.0f - n * n), dz = d * (before - n) * z * (1.0f - z);
    vf dr = dn * q * r * (1.0f - r), dq = dn * r;
    store(d_state, d * z);
    store(d_gates, dn), store(d_gates + t->ldh, dr), store(d_gates + 2 * t->ldh, dz), store(d_gates + 3 * t->ldh, dq);
    bias[0] += dn, bias[1] += dr, bias[2] += dz, bias[3] += dq;
}

#endif
