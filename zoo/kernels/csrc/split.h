/* Products on the CPU's bfloat16 matrix unit (AMX) with the precision of float32, at up to twice the speed.

   A float32 is cut exactly into three numbers of 8 bits, a = a1 + a2 + a3; of the nine products of a b the six that
   reach float32's last bits are summed in float32: what is left out is below 2^-21 |a b|, 2^-24 on average.
   A tile is 16 rows of 16 pairs. A pair holds elements k and k + 16 of 32 successive ones, so that packing is shifts
   and masks only. Left operand [m / 16][k / 32][3] tiles, rows of A; right operand [n / 16][k / 32][3], columns of B. */
#ifndef ZOO_SPLIT_H
#define ZOO_SPLIT_H

#include "simd.h"

typedef uint32_t Pair;

/* A sum over k: `blocks` of 32 elements, starting at the tiles of the first rows and columns. */
typedef struct {
    long blocks;
    const Pair *left, *right;
} Span;

/* Work of the vector units that a product is mixed with, a share after every four tile products: both go on at once. */
typedef struct {
    void (*some)(void *work, long share);
    void *work;
    long share;
} Meanwhile;

#define TILE 256 /* pairs of a tile */
#define SHARES 6 /* of a block of 32 elements */
#define UNIT_FROM 32 /* units of a layer from which it is faster */
#define TILES_OF(n, k) (((n) + 15) / 16 * (((k) + 31) / 32) * 3)

#if defined(__AMX_BF16__) && defined(__AVX512F__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

/* gcc does not know that the tile instructions read memory: what was written before must not move behind them. */
#define SETTLE __asm__ volatile("" : : : "memory")

extern int zoo_unit; /* 0: the system was not asked whether this process may use the unit, 1: it may, 2: it may not */

static int matrix_unit(void) {
    if (!zoo_unit) zoo_unit = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) ? 2 : 1;
    return zoo_unit == 1;
}

static void begin_tiles(void) {
    if (!matrix_unit()) return;
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) shape.bytes[i] = 64, shape.rows[i] = 16;
    SETTLE;
    _tile_loadconfig(&shape);
}
static void end_tiles(void) {
    if (matrix_unit()) _tile_release();
}

/* One row of each of the three tiles, from elements 0 .. 15 and 16 .. 31. */
INLINE void split_row(__m512 low, __m512 high, Pair *to) {
    const __m512i upper = _mm512_set1_epi32(0xffff0000);
#pragma GCC unroll 3
    for (int level = 0; level < 3; level++, to += TILE) {
        __m512i l = _mm512_and_si512((__m512i)low, upper), h = _mm512_and_si512((__m512i)high, upper);
        _mm512_store_si512(to, _mm512_or_si512(_mm512_srli_epi32(l, 16), h));
        low = _mm512_sub_ps(low, (__m512)l), high = _mm512_sub_ps(high, (__m512)h);
    }
}

INLINE __mmask16 first(long n) { return n >= 16 ? 0xffff : n > 0 ? (1 << n) - 1 : 0; }

/* Sixteen rows of sixteen floats become columns: pairs, fours and eights of them change places. */
INLINE void turn(__m512 r[16]) {
    __m512 s[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2)
        s[i] = _mm512_unpacklo_ps(r[i], r[i + 1]), s[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const int at = i / 2 * 4 + i % 2;
        const __m512d a = (__m512d)s[at], b = (__m512d)s[at + 2];
        r[i / 2 * 4 + i % 2 * 2] = (__m512)_mm512_unpacklo_pd(a, b);
        r[i / 2 * 4 + i % 2 * 2 + 1] = (__m512)_mm512_unpackhi_pd(a, b);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const int at = i / 4 * 8 + i % 4;
        s[at] = _mm512_shuffle_f32x4(r[at], r[at + 4], 0x88);
        s[at + 4] = _mm512_shuffle_f32x4(r[at], r[at + 4], 0xdd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_f32x4(s[i], s[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(s[i], s[i + 8], 0xdd);
    }
}

/* Element (i, k) of A lies at a[i * row + k * step]; row or step is 1. */
static void split_left(long m, long k, const float *a, long row, long step, Pair *to) {
    for (long i0 = 0; i0 < m; i0 += 16)
        for (long k0 = 0; k0 < k; k0 += 32, to += 3 * TILE) {
            if (step == 1) {
                for (long i = i0; i < i0 + 16; i++) {
                    const float *from = a + i * row + k0;
                    const __mmask16 low = i < m ? first(k - k0) : 0, high = i < m ? first(k - k0 - 16) : 0;
                    split_row(_mm512_maskz_loadu_ps(low, from), _mm512_maskz_loadu_ps(high, from + 16), to + (i - i0) * 16);
                }
                continue;
            }
            __m512 half[2][16];
            for (int h = 0; h < 2; h++) {
#pragma GCC unroll 16
                for (int l = 0; l < 16; l++) {
                    const long at = k0 + 16 * h + l;
                    half[h][l] = _mm512_maskz_loadu_ps(at < k ? first(m - i0) : 0, a + i0 + at * step);
                }
                turn(half[h]);
            }
            for (int i = 0; i < 16; i++) split_row(half[0][i], half[1][i], to + i * 16);
        }
}

/* B [k, n], row-major, n a multiple of 16. */
static void split_right(long k, long n, const float *b, long ldb, Pair *to) {
    for (long j = 0; j < n; j += 16)
        for (long k0 = 0; k0 < k; k0 += 32, to += 3 * TILE)
            for (long i = k0; i < k0 + 16; i++)
                split_row(_mm512_maskz_loadu_ps(first(i < k ? 16 : 0), b + i * ldb + j),
                          _mm512_maskz_loadu_ps(first(i + 16 < k ? 16 : 0), b + (i + 16) * ldb + j), to + (i - k0) * 16);
}

/* Two by two tiles of C in registers 0 .. 3; 4 and 5 hold A's, 6 and 7 B's. A step reloads one side only. */
INLINE void split_tiles(const int two_rows, const int two_columns, const Span *spans, int count, float *c, long ldc,
                        int add, const Meanwhile *meanwhile) {
    const long bytes = 4 * ldc;
    float *below = c + 16 * ldc;
    SETTLE;
    if (add) {
        _tile_loadd(0, c, bytes);
        if (two_columns) { _tile_loadd(1, c + 16, bytes); }
        if (two_rows) { _tile_loadd(2, below, bytes); }
        if (two_rows && two_columns) { _tile_loadd(3, below + 16, bytes); }
    } else {
        _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    }
#define LEFT(level)                            \
    _tile_loadd(4, a + level * TILE, 64);      \
    if (two_rows) { _tile_loadd(5, a + next + level * TILE, 64); }
#define RIGHT(level)                           \
    _tile_loadd(6, b + level * TILE, 64);      \
    if (two_columns) { _tile_loadd(7, b + next + level * TILE, 64); }
#define ADD_UP                                            \
    _tile_dpbf16ps(0, 4, 6);                              \
    if (two_columns) { _tile_dpbf16ps(1, 4, 7); }         \
    if (two_rows) { _tile_dpbf16ps(2, 5, 6); }            \
    if (two_rows && two_columns) { _tile_dpbf16ps(3, 5, 7); }\
    if (meanwhile) meanwhile->some(meanwhile->work, meanwhile->share);
    for (const Span *span = spans; span < spans + count; span++) {
        const long next = span->blocks * 3 * TILE;
        const Pair *a = span->left, *b = span->right, *end = a + next;
        for (; a < end; a += 3 * TILE, b += 3 * TILE) {
            LEFT(2) RIGHT(0) ADD_UP
            LEFT(1) ADD_UP
            RIGHT(1) ADD_UP
            LEFT(0) ADD_UP
            RIGHT(2) ADD_UP
            RIGHT(0) ADD_UP
        }
    }
#undef LEFT
#undef RIGHT
#undef ADD_UP
    _tile_stored(0, c, bytes);
    if (two_columns) { _tile_stored(1, c + 16, bytes); }
    if (two_rows) { _tile_stored(2, below, bytes); }
    if (two_rows && two_columns) { _tile_stored(3, below + 16, bytes); }
}

static void split_span(int two_rows, int two_columns, const Span *spans, int count, float *c, long ldc, int add,
                       const Meanwhile *meanwhile) {
    if (two_rows && two_columns) split_tiles(1, 1, spans, count, c, ldc, add, meanwhile);
    else if (two_rows) split_tiles(1, 0, spans, count, c, ldc, add, meanwhile);
    else if (two_columns) split_tiles(0, 1, spans, count, c, ldc, add, meanwhile);
    else split_tiles(0, 0, spans, count, c, ldc, add, meanwhile);
}

/* C [m, n] (+)= A B; C has room for rows and columns rounded up to 16. */
static void split_product(long m, long n, long k, const Pair *left, const Pair *right, float *c, long ldc,
                          int add, const Meanwhile *meanwhile) {
    const long blocks = (k + 31) / 32, step = blocks * 3 * TILE;
    for (long i = 0; i < m; i += 32)
        for (long j = 0; j < n; j += 32) {
            const Span span = {blocks, left + i / 16 * step, right + j / 16 * step};
            split_span(i + 16 < m, j + 16 < n, &span, 1, c + i * ldc + j, ldc, add, meanwhile);
        }
}
#else
static int matrix_unit(void) { return 0; }
static void begin_tiles(void) {}
static void end_tiles(void) {}
static void split_left(long m, long k, const float *a, long row, long step, Pair *to) {}
static void split_right(long k, long n, const float *b, long ldb, Pair *to) {}
static void split_span(int two_rows, int two_columns, const Span *spans, int count, float *c, long ldc, int add,
                       const Meanwhile *meanwhile) {}
static void split_product(long m, long n, long k, const Pair *left, const Pair *right, float *c, long ldc, int add,
                          const Meanwhile *meanwhile) {}
#endif

#endif
