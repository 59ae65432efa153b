"""Products of odd shapes as one small model, and what they give: exact integers, which NumPy knows as well.

Used by prepare.py. `mlir()` is the model; `write(folder)` its inputs and expected outputs for each number of tokens, as .npy.
"""

import pathlib

import numpy as np

SHAPES = [(1, 1), (17, 33), (130, 257), (100, 1000), (16900, 208)]  # rows, columns; the last one is for large tiles of tokens that lie well
TOKENS = [1, 2, 5, 8, 9, 16, 33, 130]
CODES = "#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>"


def weights(index: int) -> np.ndarray:
    """[N, K] int8 trits of shape number `index`; the largest sums are met: a row of ones, one of minus ones."""
    rows, columns = SHAPES[index]
    trits = np.random.default_rng([6, index]).integers(-1, 2, [rows, columns]).astype(np.int8)
    trits[0], trits[-1] = 1, -1
    return trits


def packed(trits: np.ndarray) -> bytes:
    """Four codes (trit + 1) a byte, row by row; columns are padded to four with zeros."""
    rows, columns = trits.shape
    codes = np.ones([rows, -(-columns // 4) * 4], np.uint8)
    codes[:, :columns] = trits + 1
    codes = codes.reshape(rows, -1, 4)
    return (codes[..., 0] | codes[..., 1] << 2 | codes[..., 2] << 4 | codes[..., 3] << 6).astype(np.uint8).tobytes()


def mlir() -> str:
    arguments, results, types, body, heads, names = [], [], [], [], [], []
    for i, (rows, columns) in enumerate(SHAPES):
        data = packed(weights(i))
        form = f"tensor<{rows}x{columns}x!ternary.trit>"
        heads.append(f'ml_program.global private @w{i}(#ternary.trits<{CODES}, dense<"0x{data.hex().upper()}"> : '
                     f"tensor<{len(data)}xi8>>) : {form}")
        arguments.append(f'%x{i}: tensor<?x{columns}xi8> {{setun.name = "x{i}", setun.shape = affine_map<()[s] -> (s, {columns})>}}')
        results.append(f'tensor<?x{rows}xi32> {{setun.name = "y{i}", setun.shape = affine_map<()[s] -> (s, {rows})>}}')
        body += [f"  %e{i} = tensor.empty(%s) : tensor<?x{rows}xi32>",
                 f"  %z{i} = linalg.fill ins(%zero : i32) outs(%e{i} : tensor<?x{rows}xi32>) -> tensor<?x{rows}xi32>",
                 f"  %w{i} = ml_program.global_load_const @w{i} : {form}",
                 f"  %y{i} = ternary.matmul ins(%x{i}, %w{i} : tensor<?x{columns}xi8>, {form}) "
                 f"outs(%z{i} : tensor<?x{rows}xi32>) -> tensor<?x{rows}xi32>"]
        names.append(f"%y{i}")
        types.append(f"tensor<?x{rows}xi32>")
    return "\n".join(heads + [f"func.func @main({', '.join(arguments)}, %s: index {{setun.symbol = \"s\"}})",
                              f"    -> ({', '.join(results)}) attributes {{setun.entry}} {{", "  %zero = arith.constant 0 : i32",
                              *body, f"  return {', '.join(names)} : {', '.join(types)}", "}", ""])


def write(folder: pathlib.Path) -> None:
    """folder/TOKENS/x0.npy, ... [tokens, K] int8 with both extremes, and expected/y0.npy, ... [tokens, N] int32."""
    for tokens in TOKENS:
        expected = folder / str(tokens) / "expected"
        expected.mkdir(parents=True)
        for i, (_, columns) in enumerate(SHAPES):
            x = np.random.default_rng([7, i, tokens]).integers(-128, 128, [tokens, columns]).astype(np.int8)
            x[0], x[-1] = -128, 127
            np.save(expected.parent / f"x{i}.npy", x)
            np.save(expected / f"y{i}.npy", x.astype(np.int32) @ weights(i).astype(np.int32).T)
