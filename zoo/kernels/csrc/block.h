/* What the way forward and the way back share: a block of rows and the input of a layer. */
#ifndef ZOO_BLOCK_H
#define ZOO_BLOCK_H

#include "layout.h"

typedef struct {
    Shape s;
    const float *x; /* [batch, steps, features], strides x_row, x_step, 1 */
    long x_row, x_step;
    const float *mask; /* [layers - 1, steps, batch, hidden]: dropout between layers, scaled; 0: none */
} Input;

static long widest(const Shape *s) { return ROUND_UP(most(s->features, s->hidden), LANES); }

/* Rows of the block that starts at row b0. */
static long rows_of(const Shape *s, long b0) { return s->batch - b0 < BLOCK ? s->batch - b0 : BLOCK; }

static void copy_rows(long rows, long width, const float *from, long ld_from, float *to, long ld_to) {
    for (long i = 0; i < rows; i++) memcpy(to + i * ld_to, from + i * ld_from, width * sizeof(float));
}

static void stream_rows(long rows, long width, const float *from, long ld_from, float *to, long ld_to) {
    for (long i = 0; i < rows; i++, from += ld_from, to += ld_to) {
        long k = 0;
        for (; k + LANES <= width; k += LANES) stream(to + k, load(from + k));
        for (; k < width; k++) to[k] = from[k];
    }
}

/* The input of layer l at step t, [rows][padded]: the caller's, or the state of the layer below at that step. */
static const float *layer_input(const Input *in, const Layer *y, long l, long t, long b0, long rows,
                                const float *below, float *room) {
    if (l == 0) {
        const float *x = in->x + b0 * in->x_row + t * in->x_step;
        copy_rows(rows, y->features, x, in->x_row, room, y->padded_features);
        return room;
    }
    if (!in->mask) return below;
    const float *mask = in->mask + (((l - 1) * in->s.steps + t) * in->s.batch + b0) * y->hidden;
    for (long i = 0; i < rows; i++)
        for (long u = 0; u < y->hidden; u++) room[i * y->padded + u] = below[i * y->padded + u] * mask[i * y->hidden + u];
    return room;
}

static long kept_block(const Shape *s, long rows) {
    Layer y = layer_of(s, 0, 0);
    return s->layers * kept_layer(s, &y, rows);
}

#endif
