// RUN: setun-opt %s --split-input-file --verify-diagnostics

// The constraints of #ternary.encoding and #ternary.trits.

// expected-error@+1 {{encoding: needs bits = 2, positive sizes and a tile of whole bytes}}
#bits = #ternary.encoding<bits = 3, tile = [1, 4], interleave = 1>

// -----

// expected-error@+1 {{encoding: needs bits = 2, positive sizes and a tile of whole bytes}}
#columns = #ternary.encoding<bits = 2, tile = [4, 6], interleave = 1>

// -----

// expected-error@+1 {{encoding: needs bits = 2, positive sizes and a tile of whole bytes}}
#rows = #ternary.encoding<bits = 2, tile = [0, 4], interleave = 1>

// -----

// expected-error@+1 {{encoding: needs bits = 2, positive sizes and a tile of whole bytes}}
#interleave = #ternary.encoding<bits = 2, tile = [1, 4], interleave = -1>

// -----

// expected-error@+1 {{encoding: needs bits = 2, positive sizes and a tile of whole bytes}}
#huge = #ternary.encoding<bits = 2, tile = [1, 9223372036854775804], interleave = 1>

// -----

// expected-error@+1 {{trits: C1: the bytes must be a tensor<Bxi8>, but are 'tensor<2xi32>'}}
#type = #ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>, dense<1> : tensor<2xi32>>

// -----

// expected-error@+1 {{trits: C1: the bytes must be a tensor<Bxi8>, but are 'tensor<1x2xi8>'}}
#rank = #ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>, dense<1> : tensor<1x2xi8>>
