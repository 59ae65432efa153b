"""The package: compile, load, calls with NumPy and DLPack, sessions, errors."""

import gc
import os
import pathlib
import subprocess
import sys
import threading

import layouts
import numpy as np
import onnx.parser
import pytest

import setun
from setun import arrays, native

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAYER = ROOT / "test/Compiler/Inputs/layer.mlir"
WEIGHT = np.array([[0.5, 0, -0.5, 0.5], [0, 0, 0.5, -0.5], [-0.5, 0.5, 0.5, 0.5]], np.float32)

SUMS = """
func.func @main(%x: tensor<?x4xf32> {setun.name = "x", setun.shape = affine_map<()[s0, s1] -> (s0, 4)>},
    %k: tensor<?x4xf32> {setun.name = "past", setun.state = "present", setun.axis = 0 : i64, setun.shape = affine_map<()[s0, s1] -> (s1, 4)>},
    %s: tensor<4xf32> {setun.name = "total", setun.state = "next", setun.shape = affine_map<()[s0, s1] -> (4)>},
    %seq: index {setun.symbol = "seq"}, %past: index {setun.symbol = "past"})
    -> (tensor<4xf32> {setun.name = "sum", setun.shape = affine_map<()[s0, s1] -> (4)>},
        tensor<?x4xf32> {setun.name = "present", setun.shape = affine_map<()[s0, s1] -> (s0 + s1, 4)>},
        tensor<4xf32> {setun.name = "next", setun.shape = affine_map<()[s0, s1] -> (4)>}) attributes {setun.entry} {
  %all = tensor.concat dim(0) %k, %x : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<4xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.reduce { arith.addf } ins(%all : tensor<?x4xf32>) outs(%init : tensor<4xf32>) dimensions = [0]
  %next = arith.addf %sum, %s : tensor<4xf32>
  return %sum, %all, %next : tensor<4xf32>, tensor<?x4xf32>, tensor<4xf32>
}
"""
TYPES = {"f32": "float", "f64": "double", "f16": "float16", "bf16": "bfloat16", "i8": "int8", "u8": "uint8",
         "i16": "int16", "i32": "int32", "i64": "int64", "bool": "bool"}  # fmt: skip


@pytest.fixture(scope="module")
def layer():
    return setun.compile(LAYER, threads=2)


@pytest.fixture(scope="module")
def sums(tmp_path_factory):
    path = tmp_path_factory.mktemp("sums") / "sums.mlir"
    path.write_text(SUMS)
    return setun.compile(path, context=8, target="native")


@pytest.fixture(scope="module")
def types(tmp_path_factory):
    """types[dtype]: y, z = x, x of that type."""
    made = {}

    def make(dtype):
        if dtype not in made:
            path = tmp_path_factory.mktemp("types") / f"{dtype}.onnx"
            kind = TYPES[dtype]
            onnx.save(onnx.parser.parse_model(
                f'<ir_version: 8, opset_import: ["": 18]> g ({kind}[n, 3] x) => ({kind}[n, 3] y, {kind}[3, n] z) '
                "{ y = Identity(x) z = Transpose<perm = [1, 0]>(x) }"), path)  # fmt: skip
            made[dtype] = setun.compile(path, target="native")
        return made[dtype]

    return make


def test_tells_what_it_takes(layer, sums):
    assert layer.inputs == (setun.TensorInfo("x", "f32", ("seq", 4)),)
    assert [(o.name, o.dtype, o.shape) for o in layer.outputs] == [("y/0", "f32", (None, 3))]
    assert layer.states == () and layer.threads == 2 and layer.level
    assert sums.states[0].shape[1] == 4 and sums.states[0].axis == 0 and sums.states[0].output_name == "present"
    assert sums.states[1] == setun.TensorInfo("total", "f32", (4,), None, "next")
    assert "x: f32[seq, 4]" in repr(layer) and "2 states" in repr(sums)


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_numpy(layer, rows):
    x = np.random.default_rng(0).standard_normal((rows, 4), np.float32)
    for y in (layer(x), layer(x=x), layer.run({"x": x})["y/0"], layer(np.asfortranarray(x)), layer(x.tolist() if rows else x)):
        assert isinstance(y, np.ndarray) and y.dtype == np.float32 and y.flags.writeable
        np.testing.assert_allclose(y, x @ WEIGHT.T, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", TYPES)
def test_types(types, dtype):
    model = types(dtype)
    assert model.inputs[0].dtype == model.outputs[0].dtype == dtype
    values = np.array([[0, 1, 2], [3, 100, 1]])
    x = values.astype(arrays.NUMPY["f32" if dtype == "bf16" else dtype])
    y, z = model(x)
    assert y.dtype == x.dtype and np.array_equal(y, x) and np.array_equal(z, x.T)
    for swapped in (x.astype(x.dtype.newbyteorder(">")), x.T.copy().T, x[::-1][::-1]):
        assert np.array_equal(model(swapped)[1], x.T)


@pytest.mark.parametrize("dtype", TYPES)
def test_types_of_torch(types, dtype):
    torch = pytest.importorskip("torch")
    kind = {"f32": "float32", "f64": "float64", "f16": "float16", "bf16": "bfloat16", "i8": "int8", "u8": "uint8",
            "i16": "int16", "i32": "int32", "i64": "int64", "bool": "bool"}[dtype]  # fmt: skip
    x = torch.tensor([[0, 1, 2], [3, 100, 1]]).to(getattr(torch, kind))
    y, z = types(dtype)(x)
    assert y.dtype == x.dtype and torch.equal(y, x) and torch.equal(z, x.T)
    assert torch.equal(types(dtype)(x.T.contiguous().T)[1], x.T)
    if x.is_floating_point():
        assert torch.equal(types(dtype)(x.requires_grad_())[0], x)


def test_bf16_in_numpy(types):
    """float32 in, rounded to nearest even as torch does; float32 out, exact; uint16 are bits."""
    torch = pytest.importorskip("torch")
    x = np.concatenate([np.random.default_rng(1).standard_normal(992).astype(np.float32), np.float32(
        [1 + 2**-8, 1 + 3 * 2**-8, np.inf, -np.inf, np.nan, 3.4e38, 0, -0.0, 1e-40, 2**-133, 5])]).reshape(-1, 1).repeat(3, 1)[:1003]  # fmt: skip
    expected = torch.from_numpy(x).to(torch.bfloat16)
    y, _ = types("bf16")(x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, expected.float().numpy())
    bits = expected.view(torch.uint16).numpy()
    np.testing.assert_array_equal(types("bf16")(bits)[0], expected.float().numpy())
    with pytest.raises(setun.RuntimeError, match="type is f32, expected f16"):
        types("f16")(x)


def test_any_dlpack(layer):
    class Foreign:
        """Nothing but DLPack."""

        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    x = np.arange(32, dtype=np.float32).reshape(4, 8)
    for part in (x[:, :4], x[:, ::2], x[1:3, 4:], x[::-1, 7:3:-1], x[:0, :4]):
        np.testing.assert_array_equal(layer(Foreign(part)), layer(part.copy()))


def test_no_copy_when_aligned(layer):
    """The session reads the caller's own memory: a change between runs is seen."""
    torch = pytest.importorskip("torch")
    aligned = arrays.empty((2, 4), np.float32)
    assert aligned.ctypes.data % arrays.ALIGNMENT == 0
    for array, change in ((aligned, aligned), (torch.from_numpy(aligned), aligned)):
        session = layer.session()
        aligned[:] = 1
        first = session.run({"x": array})["y/0"]
        change[:] = 2
        np.testing.assert_array_equal(np.asarray(session.run()["y/0"]), 2 * np.asarray(first))
    y = layer(aligned)
    assert y.ctypes.data % arrays.ALIGNMENT == 0, "outputs can be given to the next model without a copy"


def test_outputs_are_copies(layer):
    session = layer.session()
    first = session(np.ones((2, 4), np.float32))
    kept = first.copy()
    session(np.zeros((2, 4), np.float32))
    np.testing.assert_array_equal(first, kept)
    seen = session.run(x=np.ones((2, 4), np.float32), copy=False)["y/0"]
    assert not seen.flags.writeable
    np.testing.assert_array_equal(seen, kept)
    session.run(x=np.zeros((2, 4), np.float32))
    np.testing.assert_array_equal(seen, 0)


def test_states(sums):
    rows = np.arange(20, dtype=np.float32).reshape(5, 4)
    session = sums.session()
    assert session.position == 0 and session.capacity == 8
    session(rows[:2])
    np.testing.assert_array_equal(session(rows[2:]), rows.sum(0))
    assert session.position == 5
    states = session.states()
    np.testing.assert_array_equal(states["past"], rows)
    np.testing.assert_array_equal(states["total"], rows[:2].sum(0) + rows.sum(0))
    np.testing.assert_array_equal(session.state("present"), rows)
    other = sums.session(capacity=6)
    other.set_states(states)
    assert other.position == 5 and other.capacity == 6
    np.testing.assert_array_equal(other(rows[:1]), rows.sum(0) + rows[0])
    with pytest.raises(setun.RuntimeError, match="context is full"):
        other(rows[:1])
    assert other.position == 6
    with pytest.raises(setun.RuntimeError, match="'total' does not grow"):
        other.truncate(3)
    other.reset()
    np.testing.assert_array_equal(other(rows), rows.sum(0))
    np.testing.assert_array_equal(sums(rows), rows.sum(0))
    np.testing.assert_array_equal(sums(rows[:1]), rows[0], "a model's call starts from fresh states")
    np.testing.assert_array_equal(sums.run(x=rows[:1], past=rows)["sum"], rows.sum(0) + rows[0])


def test_states_of_torch(sums):
    torch = pytest.importorskip("torch")
    session = sums.session()
    session(torch.ones(2, 4))
    states = session.states(torch=True)
    assert isinstance(states["past"], torch.Tensor) and torch.equal(states["past"], torch.ones(2, 4))


def test_errors(layer, sums, tmp_path):
    x = np.zeros((2, 4), np.float32)
    for message, call in {
        "input 'x': dimension 1 is 5, expected 4": lambda: layer(np.zeros((2, 5), np.float32)),
        "input 'x': its type is f64, expected f32": lambda: layer(x.astype(np.float64)),
        "input 'x': elements of type complex64 are not supported": lambda: layer(x.astype(np.complex64)),
        "input 'x': elements of type <U1 are not f32": lambda: layer([["a"]]),
        "input 'x': it has 1 dimensions, expected 2": lambda: layer(x[0]),
        "input 'x' is not given": layer,
        "the model has no input 'z'; it has 'x'": lambda: layer(x, z=x),
        "no state 'z'": lambda: sums.session().set_states({"z": x}),
        "state 'past' has no value before a run": lambda: sums.session().states(),
        "the model has no output": lambda: sums.session().state("z"),
        "cannot open model": lambda: setun.load(tmp_path / "missing.so"),
        "it has no symbol 'setun_model'": lambda: setun.load(native.prefix() / "lib" / "libsetun_rt.so"),
        "no level 'sse9'; it has": lambda: setun.load(layer.path, target="sse9"),
    }.items():
        with pytest.raises(setun.RuntimeError, match=message) as error:
            call()
        assert isinstance(error.value, RuntimeError) and isinstance(error.value, setun.Error)
    for error, call in {
        TypeError: lambda: layer(x, x),
        ValueError: lambda: layer.session(capacity=-1),
    }.items():
        with pytest.raises(error):
            call()
    with pytest.raises(TypeError, match="given twice"):
        layer(x, x=x)
    with pytest.raises(setun.RuntimeError, match="the session is closed"):
        with layer.session() as session:
            pass
        session(x)
    np.testing.assert_array_equal(layer(x), np.zeros((2, 3)), "the model still works")


def test_compile_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such model: nowhere.onnx"):
        setun.compile("nowhere.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\x00\xff" * 20)
    with pytest.raises(setun.CompileError, match="bad.onnx"):
        setun.compile(tmp_path / "bad.onnx", output=tmp_path / "bad.so")
    assert not (tmp_path / "bad.so").exists()
    with pytest.raises(setun.CompileError, match="unknown target 'pdp11'"):
        setun.compile(LAYER, target="pdp11")
    with pytest.raises(TypeError):
        setun.compile(LAYER, optimise=True)
    with pytest.raises(TypeError, match="no option 'optimise'"):
        setun.inspect(LAYER, optimise=True)


def test_diagnostics(tmp_path, monkeypatch):
    """Warnings are warnings, notes belong to their message, and a compiler that dies says so."""
    from setun import compiler

    fake = tmp_path / "bin" / "setun"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n"
                    "echo 'setun: warning: a: odd' >&2; echo 'setun: note: because' >&2; echo 'setun: remark: x' >&2\n"
                    "[ $1 = fail ] && { echo 'setun: error: b: no' >&2; echo 'setun: note: as b' >&2; exit 1; }\n"
                    "[ $1 = die ] && kill -SEGV $$\nexit 0\n")  # fmt: skip
    fake.chmod(0o755)
    monkeypatch.setattr(native, "compiler", lambda: fake)
    with pytest.warns(setun.CompileWarning, match="^a: odd\nnote: because$") as seen:
        compiler._run(["pass"], stacklevel=1)
    assert len(seen) == 1 and seen[0].filename == __file__
    with pytest.warns(setun.CompileWarning), pytest.raises(setun.CompileError, match="^b: no\nnote: as b$"):
        compiler._run(["fail"], stacklevel=1)
    with pytest.warns(setun.CompileWarning), pytest.raises(setun.CompileError, match="ended by signal 11"):
        compiler._run(["die"], stacklevel=1)


def test_output_stays(tmp_path):
    path = tmp_path / "model.so"
    model = setun.compile(LAYER, output=path, products="addsub", target="native")
    assert model.path == path and "model.so" in os.listdir(tmp_path)
    x = np.ones((1, 4), np.float32)
    expected = model(x)
    del model
    np.testing.assert_array_equal(setun.load(path, threads=1)(x), expected)
    np.testing.assert_array_equal(setun.load(str(path))(x), expected)


def test_temporary_files_end(types):
    model = setun.compile(LAYER)
    folder = model.path.parent
    model(np.ones((1, 4), np.float32))  # makes a session of the pool
    session = model.session()
    del model
    gc.collect()
    assert folder.exists(), "a session keeps the program"
    np.testing.assert_array_equal(session(np.ones((1, 4), np.float32)), WEIGHT.sum(1)[None])
    del session
    assert not folder.exists()


def test_threads(layer):
    """One model, many threads: each call has the results of its own inputs."""
    failures = []

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(200):
            x = random.integers(-9, 9, (random.integers(1, 6), 4)).astype(np.float32)
            if not np.array_equal(layer(x), x @ WEIGHT.T):
                failures.append(x)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_inspect_and_targets():
    report = setun.inspect(LAYER)
    assert report["ternary_products"] == 1 and report["layers"][0]["name"] == "proj"
    names = {target["name"]: target for target in setun.targets()}
    levels = [level for target in names.values() for level in target["levels"] if level["runs_here"]]
    assert {"x86-64", "aarch64", "generic"} <= set(names) and levels and all(level["encodings"] for level in levels)


def test_import_is_light():
    """Neither torch nor NumPy, nothing but names; torch is not needed to run a model."""
    code = "import sys, setun; print(sorted({'torch', 'numpy', 'ctypes', 'subprocess'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip() == "[]"
    code = f"""import sys; sys.modules["torch"] = None
import setun, numpy as np
print(setun.compile({str(LAYER)!r})(np.ones((1, 4), np.float32)).tolist())"""
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip() == "[[0.5, 0.0, 1.0]]"


def test_names():
    """Functions stay functions when the module of the same name is imported."""
    import importlib

    for name, home in setun._HOMES.items():
        if name == home and (ROOT / "python" / "setun" / f"{home}.py").exists():
            importlib.import_module(f"setun.{home}")
            assert callable(getattr(setun, name)), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        setun.nothing
    assert set(setun.__all__) <= set(dir(setun))


def test_structures(tmp_path):
    """ctypes' structures are laid out as the headers' are."""
    structures = {"setun_options": native.Options, "setun_info": native.Info, "setun_tensor": native.Tensor,
                  "setun_device_info": native.DeviceInfo}  # fmt: skip
    dtypes = {f"SETUN_{name.upper()}": i + 1 for i, name in enumerate(native.DTYPES)}
    layouts.check(tmp_path, "setun.h", structures, dtypes)


def test_modules():
    """An nn.Module and an ExportedProgram, by way of setun.export; only what was compiled stays on disk."""
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4)).eval()
    x = torch.randn(3, 8)
    rows = torch.export.Dim("rows")
    model = setun.compile(module, args=(x,), dynamic_shapes=({0: rows},), input_names=["x"], output_names=["y"])
    (x_info,) = model.inputs
    assert x_info.name == "x" and isinstance(x_info.shape[0], str) and x_info.shape[1] == 8 and model.outputs[0].name == "y"
    assert not list(model.path.parent.glob("*.onnx*"))
    program = setun.compile(torch.export.export(module, (x,)), threads=1)
    with torch.no_grad():
        torch.testing.assert_close(program(x), module(x), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model(torch.cat([x, x])), module(torch.cat([x, x])), rtol=1e-5, atol=1e-5)
