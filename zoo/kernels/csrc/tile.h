/* What a cell's tile reads and writes: some rows x one vector of hidden units, one step. */
#ifndef ZOO_TILE_H
#define ZOO_TILE_H

#include "simd.h"

typedef struct {
    long unit, features, hidden; /* first hidden unit of the vector; widths of the input and of the state */
    const float *x, *h, *c;      /* input [rows, ldx]; state and cell before the step [rows, ldh], h 0 at the first */
    long ldx, ldh;
    const float *weight, *bias; /* of this vector of units: [features, G, LANES], [hidden, G, LANES]; [4, LANES] */
    float *h_out, *c_out;       /* state and cell after the step [rows, ldh] */
    float *gates;               /* [rows, 4, LANES], kept for the gradient like the next two; 0: not wanted */
    float *h_kept, *c_kept;     /* copies of the state and cell after the step [rows, ldh] */
    const float *sums;          /* [rows, lds], gate g in columns g * ldh ..., where the matrix unit made them */
    long lds;
} CellTile;

typedef struct {
    long unit;
    const float *h, *c, *c_out, *gates; /* as above */
    const float *d_out;                 /* gradient of this step's output [rows, ldh]; 0: none */
    long ldh, ldg;
    float *d_state, *d_cell; /* [rows, ldh], carried from step to step */
    float *d_gates;          /* [rows, ldg], gate g in columns g * ldh ... */
} CellGradient;

#endif
