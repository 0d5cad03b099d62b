/* One vector of float32 and the two activations, written with the vector extensions that gcc and clang share.

   LANES floats make a vector: 16 with AVX-512, 8 with AVX, 4 elsewhere (SSE, NEON). TILE_ROWS x TILE_VECTORS
   accumulators must fit the registers beside the operands of one step: 6 x 4 of 32 registers, 6 x 2 of 16. */
#ifndef ZOO_SIMD_H
#define ZOO_SIMD_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX__)
#include <immintrin.h>
#endif
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE_VECTORS 4
#define GRU_ROWS 8 /* rows of a cell's tile: 8 x 3 accumulators */
#define LSTM_ROWS 6 /* 6 x 4 */
#else
#define TILE_VECTORS 2
#define GRU_ROWS 4
#define LSTM_ROWS 3
#endif
#define TILE_ROWS 6

#define INLINE static inline __attribute__((always_inline))
#define ROUND_UP(n, to) (((n) + (to) - 1) / (to) * (to))

INLINE long most(long a, long b) { return a > b ? a : b; }
INLINE float *aligned(float *p) { return (float *)ROUND_UP((uintptr_t)p, 64); }

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef float vf_unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE vf load(const float *p) { return *(const vf_unaligned *)p; }
INLINE void store(float *p, vf v) { *(vf_unaligned *)p = v; }
/* Past the caches, for what is read long after: a line is not fetched in order to be written over. */
INLINE void stream(float *p, vf v) {
#if defined(__AVX512F__)
    if (!((uintptr_t)p & 63)) {
        _mm512_stream_ps(p, (__m512)v);
        return;
    }
#elif defined(__AVX__)
    if (!((uintptr_t)p & 31)) {
        _mm256_stream_ps(p, (__m256)v);
        return;
    }
#endif
    store(p, v);
}

INLINE void end_streams(void) {
#if defined(__AVX__)
    _mm_sfence(); /* another thread may read it */
#endif
}

INLINE vf splat(float s) { return s - (vf){0}; }

/* A comparison with NaN is false, so NaN passes through: what diverged must be seen to have diverged. */
INLINE vf clamp(vf x, float bound) {
    vf most = splat(bound);
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)-most, _mm512_min_ps((__m512)most, (__m512)x)); /* the second, if one is NaN */
#endif
    vi above = x > most, below = x < -most;
    vi kept = ((vi)x & ~(above | below)) | ((vi)most & above) | ((vi)-most & below);
    return (vf)kept;
}

INLINE vf divide(vf a, vf b) {
#if defined(__AVX512F__)
    /* 14 bits and one Newton step give 24 at a quarter of the cost of a division. */
    vf guess = (vf)_mm512_rcp14_ps((__m512)b);
    return a * (guess * (2.0f - b * guess));
#else
    return a / b;
#endif
}

/* tanh(x) = x P(x^2) / Q(x^2) with P, Q of degree 4, fitted to |x| <= 9, where tanh is 1 - 3e-8.
   The relative error in float32 is below 5e-7. */
INLINE vf tanh_of(vf x) {
    x = clamp(x, 9.0f);
    vf u = x * x;
    vf p = 1.318422189e-8f * u + 2.047183634e-5f;
    vf q = 7.702664688e-7f * u + 3.271386320e-4f;
    p = p * u + 3.486582656e-3f;
    q = q * u + 2.584198265e-2f;
    p = p * u + 1.337319854e-1f;
    q = q * u + 4.670649543e-1f;
    p = p * u + 9.999999065e-1f;
    q = q * u + 1.0f;
    return divide(p * x, q);
}

/* sig(x) from x / 2: weights and biases of the gates that need it are halved once, exactly. */
INLINE vf sigmoid_of_half(vf half) { return 0.5f + 0.5f * tanh_of(half); }

#endif
