/* Products on the CPU's bfloat16 matrix unit (AMX) with the precision of float32, at up to twice the speed.

   A float32 is cut exactly into three numbers of 8 bits, a = a1 + a2 + a3; of the nine products of a b the six that
   reach float32's last bits are summed in float32: what is left out is below 2^-21 |a b|, 2^-24 on average.
   A tile is 16 rows of 16 pairs. A pair holds elements k and k + 16 of 32 successive ones, so that packing is shifts
   and masks only. Left operand [m / 16][k / 32][3] tiles, rows of A; right operand [n / 16][k / 32][3], columns of B. */
#ifndef ZOO_SPLIT_H
#define ZOO_SPLIT_H

#include "simd.h"

typedef uint32_t Pair;
#define TILE 256 /* pairs of a tile */
#define UNIT_FROM 32 /* units of a layer from which it is faster */
#define TILES_OF(n, k) (((n) + 15) / 16 * (((k) + 31) / 32) * 3)

#if defined(__AMX_BF16__) && defined(__AVX512F__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

extern int zoo_unit; /* 0: the system was not asked whether this process may use the unit, 1: it may, 2: it may not */

static int matrix_unit(void) {
    if (!zoo_unit) zoo_unit = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) ? 2 : 1;
    return zoo_unit == 1;
}

static void begin_tiles(void) {
    if (!matrix_unit()) return;
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) shape.bytes[i] = 64, shape.rows[i] = 16;
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

/* Element (i, k) of A lies at a[i * row + k * step]. */
static void split_left(long m, long k, const float *a, long row, long step, Pair *to) {
    const __m512i every = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                             _mm512_set1_epi32(step));
    for (long i0 = 0; i0 < m; i0 += 16)
        for (long k0 = 0; k0 < k; k0 += 32, to += 3 * TILE)
            for (long i = i0; i < i0 + 16; i++) {
                const float *from = a + i * row + k0 * step;
                const __mmask16 low = i < m ? first(k - k0) : 0, high = i < m ? first(k - k0 - 16) : 0;
                const __m512 zero = _mm512_setzero_ps();
                if (step == 1) split_row(_mm512_maskz_loadu_ps(low, from), _mm512_maskz_loadu_ps(high, from + 16), to + (i - i0) * 16);
                else split_row(_mm512_mask_i32gather_ps(zero, low, every, from, 4),
                               _mm512_mask_i32gather_ps(zero, high, every, from + 16 * step, 4), to + (i - i0) * 16);
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
INLINE void split_tiles(const int two_rows, const int two_columns, long blocks, const Pair *a, const Pair *b, float *c,
                        long ldc, int add) {
    const long next = blocks * 3 * TILE, bytes = 4 * ldc;
    float *below = c + 16 * ldc;
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
    if (two_rows && two_columns) { _tile_dpbf16ps(3, 5, 7); }
    for (long k = 0; k < blocks; k++, a += 3 * TILE, b += 3 * TILE) {
        LEFT(2) RIGHT(0) ADD_UP
        LEFT(1) ADD_UP
        RIGHT(1) ADD_UP
        LEFT(0) ADD_UP
        RIGHT(2) ADD_UP
        RIGHT(0) ADD_UP
    }
#undef LEFT
#undef RIGHT
#undef ADD_UP
    _tile_stored(0, c, bytes);
    if (two_columns) { _tile_stored(1, c + 16, bytes); }
    if (two_rows) { _tile_stored(2, below, bytes); }
    if (two_rows && two_columns) { _tile_stored(3, below + 16, bytes); }
}

/* C [m, n] (+)= A B; C has room for rows and columns rounded up to 16. */
static void split_product(long m, long n, long k, const Pair *left, const Pair *right, float *c, long ldc, int add) {
    const long blocks = (k + 31) / 32, step = blocks * 3 * TILE;
    for (long i = 0; i < m; i += 32)
        for (long j = 0; j < n; j += 32) {
            const Pair *a = left + i / 16 * step, *b = right + j / 16 * step;
            const int two_rows = i + 16 < m, two_columns = j + 16 < n;
            float *at = c + i * ldc + j;
            if (two_rows && two_columns) split_tiles(1, 1, blocks, a, b, at, ldc, add);
            else if (two_rows) split_tiles(1, 0, blocks, a, b, at, ldc, add);
            else if (two_columns) split_tiles(0, 1, blocks, a, b, at, ldc, add);
            else split_tiles(0, 0, blocks, a, b, at, ldc, add);
        }
}
#else
static int matrix_unit(void) { return 0; }
static void begin_tiles(void) {}
static void end_tiles(void) {}
static void split_left(long m, long k, const float *a, long row, long step, Pair *to) {}
static void split_right(long k, long n, const float *b, long ldb, Pair *to) {}
static void split_product(long m, long n, long k, const Pair *left, const Pair *right, float *c, long ldc, int add) {}
#endif

#endif
