/* outer(relu(inner(x))), the feed-forward part of an encoder layer, whose hidden layer exists a panel at a time.

   A block of rows by a panel of hidden units is 96 x 64 numbers, 24 KiB: it stays in first-level cache between the
   product that makes it and those that use it. The gradient computes it again, 7 products instead of 6.
   On the matrix unit weights are cut once a call, rows once a block, hidden panels where they are made. */
#include "gemm.h"

#define ROWS 96
#define PANEL 64

typedef struct {
    int64_t rows, inputs, width, outputs;
} Sizes;

typedef struct {
    long panels, inputs, outputs; /* the latter two padded to whole vectors */
    float *up, *bias, *down;      /* [panels]: [inputs][PANEL], [PANEL], [PANEL][padded outputs] */
    float *up_back, *down_back;   /* [panels]: [PANEL][padded inputs], [outputs][PANEL] */
    float *d_up, *d_bias, *d_down; /* [panels]: [padded inputs][PANEL], [PANEL], [padded outputs][PANEL] */
    float *hidden, *d_hidden, *result; /* [ROWS][PANEL] twice; [ROWS][the wider of inputs and outputs, padded] */
    long narrow, wide;             /* for the matrix unit: pairs of a panel's weights by inputs, by outputs; 0: none */
    Pair *up_right, *down_right, *up_back_right, *down_back_right; /* [panels] */
    Pair *x, *x_turned, *d, *d_turned, *panel_left, *panel_right;  /* of a block of rows; of its panel */
} Work;

INLINE Pair *take(float **at, long pairs) {
    Pair *found = (Pair *)*at;
    *at += pairs;
    return found;
}

static Ahead nothing = {0, 0};

static long lay_out(const Sizes *s, float *work, Work *w) {
    w->panels = (s->width + PANEL - 1) / PANEL;
    w->inputs = ROUND_UP(s->inputs, LANES), w->outputs = ROUND_UP(s->outputs, LANES);
    const long all = w->panels * PANEL, wide = w->inputs > w->outputs ? w->inputs : w->outputs;
    float *at = aligned(work);
    w->up = at, at += all * s->inputs;
    w->bias = at, at += all;
    w->down = at, at += all * w->outputs;
    w->up_back = at, at += all * w->inputs;
    w->down_back = at, at += all * s->outputs;
    w->d_up = at, at += all * w->inputs;
    w->d_bias = at, at += all;
    w->d_down = at, at += all * w->outputs;
    w->hidden = at, at += ROWS * PANEL;
    w->d_hidden = at, at += ROWS * PANEL;
    w->result = at, at += ROWS * wide;
    const int unit = s->inputs >= UNIT_FROM && s->outputs >= UNIT_FROM && s->width >= UNIT_FROM && matrix_unit();
    w->narrow = unit * most(TILES_OF(PANEL, s->inputs), TILES_OF(w->inputs, PANEL)) * TILE;
    w->wide = unit * most(TILES_OF(PANEL, s->outputs), TILES_OF(w->outputs, PANEL)) * TILE;
    w->up_right = take(&at, w->panels * w->narrow), w->up_back_right = take(&at, w->panels * w->narrow);
    w->down_right = take(&at, w->panels * w->wide), w->down_back_right = take(&at, w->panels * w->wide);
    w->x = take(&at, unit * TILES_OF(ROWS, s->inputs) * TILE), w->x_turned = take(&at, unit * TILES_OF(s->inputs, ROWS) * TILE);
    w->d = take(&at, unit * TILES_OF(ROWS, s->outputs) * TILE), w->d_turned = take(&at, unit * TILES_OF(s->outputs, ROWS) * TILE);
    w->panel_left = take(&at, unit * TILES_OF(ROWS, PANEL) * TILE), w->panel_right = take(&at, unit * TILES_OF(PANEL, ROWS) * TILE);
    return at - work + LANES;
}

int64_t zoo_feed_forward_floats(const Sizes *s) {
    Work w;
    return lay_out(s, 0, &w);
}

/* Weights of unit f by panels; `down_back` and `up_back` are for the gradient. */
static void pack(const Sizes *s, const float *w1, const float *b1, const float *w2, Work *w) {
    memset(w->up, 0, (char *)w->hidden - (char *)w->up);
    for (long f = 0; f < s->width; f++) {
        const long p = f / PANEL, u = f % PANEL;
        for (long i = 0; i < s->inputs; i++) w->up[(p * s->inputs + i) * PANEL + u] = w1[f * s->inputs + i];
        memcpy(w->up_back + f * w->inputs, w1 + f * s->inputs, s->inputs * sizeof(float));
        w->bias[f] = b1[f];
        for (long o = 0; o < s->outputs; o++) {
            w->down[f * w->outputs + o] = w2[o * s->width + f];
            w->down_back[(p * s->outputs + o) * PANEL + u] = w2[o * s->width + f];
        }
    }
}

static void pack_pairs(const Sizes *s, const Work *w) {
    for (long p = 0; p < (w->narrow ? w->panels : 0); p++) {
        split_right(s->inputs, PANEL, w->up + p * s->inputs * PANEL, PANEL, w->up_right + p * w->narrow);
        split_right(PANEL, w->outputs, w->down + p * PANEL * w->outputs, w->outputs, w->down_right + p * w->wide);
        split_right(PANEL, w->inputs, w->up_back + p * PANEL * w->inputs, w->inputs, w->up_back_right + p * w->narrow);
        split_right(s->outputs, PANEL, w->down_back + p * s->outputs * PANEL, PANEL, w->down_back_right + p * w->wide);
    }
}

static void hidden_panel(const Sizes *s, const Work *w, long p, const float *x, long rows) {
    Product up = {rows, PANEL, s->inputs, x, s->inputs, 1, w->up + p * s->inputs * PANEL, PANEL, w->hidden, PANEL, 0,
                  &nothing};
    multiply(&up, w->x, w->narrow ? w->up_right + p * w->narrow : 0);
    const float *bias = w->bias + p * PANEL;
    for (long i = 0; i < rows; i++)
        for (long u = 0; u < PANEL; u++) {
            const float sum = w->hidden[i * PANEL + u] + bias[u];
            w->hidden[i * PANEL + u] = sum < 0 ? 0 : sum; /* NaN stays */
        }
}

/* x [rows][inputs], w1 [width][inputs], w2 [outputs][width], out [rows][outputs]. */
void zoo_feed_forward(const Sizes *s, const float *x, const float *w1, const float *b1, const float *w2,
                      const float *b2, float *out, float *work) {
    Work w;
    lay_out(s, work, &w);
    pack(s, w1, b1, w2, &w);
    pack_pairs(s, &w);
    if (w.narrow) begin_tiles();
    for (long r = 0; r < s->rows; r += ROWS) {
        const long rows = s->rows - r < ROWS ? s->rows - r : ROWS;
        if (w.narrow) split_left(rows, s->inputs, x + r * s->inputs, s->inputs, 1, w.x);
        for (long i = 0; i < rows; i++) memcpy(w.result + i * w.outputs, b2, s->outputs * sizeof(float));
        for (long p = 0; p < w.panels; p++) {
            hidden_panel(s, &w, p, x + r * s->inputs, rows);
            Product down = {rows, w.outputs, PANEL, w.hidden, PANEL, 1, w.down + p * PANEL * w.outputs, w.outputs,
                            w.result, w.outputs, 1, &nothing};
            if (w.narrow) split_left(rows, PANEL, w.hidden, PANEL, 1, w.panel_left);
            multiply(&down, w.panel_left, w.narrow ? w.down_right + p * w.wide : 0);
        }
        for (long i = 0; i < rows; i++)
            memcpy(out + (r + i) * s->outputs, w.result + i * w.outputs, s->outputs * sizeof(float));
    }
    if (w.narrow) end_tiles();
}

/* d [rows][outputs] -> d_x, d_w1, d_b1, d_w2, all written. */
void zoo_feed_forward_backward(const Sizes *s, const float *x, const float *w1, const float *b1, const float *w2,
                               const float *d, float *d_x, float *d_w1, float *d_b1, float *d_w2, float *work) {
    Work w;
    lay_out(s, work, &w);
    pack(s, w1, b1, w2, &w);
    pack_pairs(s, &w);
    if (w.narrow) begin_tiles();
    for (long r = 0; r < s->rows; r += ROWS) {
        const long rows = s->rows - r < ROWS ? s->rows - r : ROWS;
        const float *xr = x + r * s->inputs, *dr = d + r * s->outputs;
        memset(w.result, 0, rows * w.inputs * sizeof(float));
        if (w.narrow) {
            split_left(rows, s->inputs, xr, s->inputs, 1, w.x), split_left(s->inputs, rows, xr, 1, s->inputs, w.x_turned);
            split_left(rows, s->outputs, dr, s->outputs, 1, w.d), split_left(s->outputs, rows, dr, 1, s->outputs, w.d_turned);
        }
        for (long p = 0; p < w.panels; p++) {
            hidden_panel(s, &w, p, xr, rows);
            Product to_hidden = {rows, PANEL, s->outputs, dr, s->outputs, 1, w.down_back + p * s->outputs * PANEL,
                                 PANEL, w.d_hidden, PANEL, 0, &nothing};
            Product to_down = {s->outputs, PANEL, rows, dr, 1, s->outputs, w.hidden, PANEL,
                               w.d_down + p * w.outputs * PANEL, PANEL, 1, &nothing};
            Product to_up = {s->inputs, PANEL, rows, xr, 1, s->inputs, w.d_hidden, PANEL,
                             w.d_up + p * w.inputs * PANEL, PANEL, 1, &nothing};
            Product to_input = {rows, w.inputs, PANEL, w.d_hidden, PANEL, 1, w.up_back + p * PANEL * w.inputs, w.inputs,
                                w.result, w.inputs, 1, &nothing};
            multiply(&to_hidden, w.d, w.narrow ? w.down_back_right + p * w.wide : 0);
            if (w.narrow) split_right(rows, PANEL, w.hidden, PANEL, w.panel_right);
            multiply(&to_down, w.d_turned, w.narrow ? w.panel_right : 0);
            for (long i = 0; i < rows; i++)
                for (long u = 0; u < PANEL; u++) {
                    float *cell = w.d_hidden + i * PANEL + u;
                    *cell = w.hidden[i * PANEL + u] > 0 ? *cell : 0;
                    w.d_bias[p * PANEL + u] += *cell;
                }
            if (w.narrow) split_right(rows, PANEL, w.d_hidden, PANEL, w.panel_right), split_left(rows, PANEL, w.d_hidden, PANEL, 1, w.panel_left);
            multiply(&to_up, w.x_turned, w.narrow ? w.panel_right : 0);
            multiply(&to_input, w.panel_left, w.narrow ? w.up_back_right + p * w.narrow : 0);
        }
        for (long i = 0; i < rows; i++)
            memcpy(d_x + (r + i) * s->inputs, w.result + i * w.inputs, s->inputs * sizeof(float));
    }
    if (w.narrow) end_tiles();
    for (long f = 0; f < s->width; f++) {
        const long p = f / PANEL, u = f % PANEL;
        d_b1[f] = w.d_bias[f];
        for (long i = 0; i < s->inputs; i++) d_w1[f * s->inputs + i] = w.d_up[(p * w.inputs + i) * PANEL + u];
        for (long o = 0; o < s->outputs; o++) d_w2[o * s->width + f] = w.d_down[(p * w.outputs + o) * PANEL + u];
    }
}
