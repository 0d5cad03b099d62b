/* Small matrix products whose operands lie in cache: C [m, n] (+)= A [m, k] B [k, n].

   B and C are row-major with rows padded to whole vectors. Element (i, k) of A is at a[i * a_row + k * a_step]:
   (lda, 1) reads A as it lies, (1, lda) reads its transpose. A tile holds 6 x 4 (or 6 x 2) vectors of C in
   registers and needs 4 loads and 6 broadcasts for 24 multiply-adds a step. */
#ifndef ZOO_GEMM_H
#define ZOO_GEMM_H

#include "split.h"

#ifndef LINES_AHEAD
#define LINES_AHEAD 16
#endif

/* Memory that is read after the products: asked for a few lines a tile, it arrives while they are computed. */
typedef struct {
    const char *next, *end;
} Ahead;

INLINE void fetch_ahead(Ahead *ahead) {
    for (int i = 0; i < LINES_AHEAD && ahead->next < ahead->end; i++, ahead->next += 64)
        __builtin_prefetch(ahead->next, 0, 2);
}

typedef struct {
    long m, n, k;
    const float *a;
    long a_row, a_step;
    const float *b;
    long ldb;
    float *c;
    long ldc;
    int add; /* 1: add to C; 0: overwrite it */
    Ahead *ahead;
} Product;

INLINE void product_tile(const int rows, const int vectors, const Product *p, long i0, long j0) {
    const float *a = p->a + i0 * p->a_row, *b = p->b + j0;
    const long a_row = p->a_row, a_step = p->a_step, ldb = p->ldb, ldc = p->ldc, steps = p->k;
    float *c = p->c + i0 * ldc + j0;
    vf sum[TILE_ROWS][TILE_VECTORS];
    fetch_ahead(p->ahead);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++) sum[i][j] = p->add ? load(c + i * ldc + j * LANES) : (vf){0};
    for (long k = 0; k < steps; k++) {
        vf right[TILE_VECTORS];
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++) right[j] = load(b + j * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            vf left = splat(a[i * a_row]);
#pragma GCC unroll 4
            for (int j = 0; j < vectors; j++) sum[i][j] += left * right[j];
        }
        a += a_step;
        b += ldb;
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++) store(c + i * ldc + j * LANES, sum[i][j]);
}

/* One column of tiles; what 6 does not divide is done by 4, 2 and 1 rows. */
INLINE void product_column(const int vectors, const Product *p, long j0) {
    long i = 0;
    for (; i + TILE_ROWS <= p->m; i += TILE_ROWS) product_tile(TILE_ROWS, vectors, p, i, j0);
    if (p->m - i >= 4) product_tile(4, vectors, p, i, j0), i += 4;
    if (p->m - i >= 2) product_tile(2, vectors, p, i, j0), i += 2;
    if (p->m - i >= 1) product_tile(1, vectors, p, i, j0);
}

/* n is a multiple of LANES. */
static void product(const Product *p) {
    long j = 0;
    for (; j + TILE_VECTORS * LANES <= p->n; j += TILE_VECTORS * LANES) product_column(TILE_VECTORS, p, j);
#if TILE_VECTORS == 4
    if (p->n - j >= 2 * LANES) product_column(2, p, j), j += 2 * LANES;
#endif
    if (p->n - j >= LANES) product_column(1, p, j);
}

/* On the matrix unit where the right operand was cut for it. */
static void multiply(const Product *p, const Pair *left, const Pair *right) {
    if (right) split_product(p->m, p->n, p->k, left, right, p->c, p->ldc, p->add, 0);
    else product(p);
}

#endif
