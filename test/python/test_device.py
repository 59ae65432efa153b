"""Models on a GPU by the Python package. The driver is a stand-in that runs the emulator's code, on memory of the host."""

import ctypes
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import BUILD, ROOT
from shared import PLAIN

DRIVER = BUILD / "test" / "Target" / "NVPTX" / "libcuda-fake.so"
pytestmark = pytest.mark.skipif(not DRIVER.exists(), reason="the stand-in for the driver is not built")
X = np.arange(-8, 12, dtype=np.float32).reshape(5, 4)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("device") / "layer.so"
    source = ROOT / "test" / "Compiler" / "Inputs" / "layer.mlir"
    subprocess.run([BUILD / "bin" / "setun", "compile", source, "-o", path, "--emit=shared", f"--target={PLAIN},sm_80", "--emulate"], check=True)
    return path


@pytest.fixture
def setun(monkeypatch):
    monkeypatch.setenv("SETUN_CUDA_DRIVER", str(DRIVER))
    import setun

    return setun


class Memory:
    """The driver's own memory, as another library would have it."""

    def __init__(self):
        self.driver, self.given, self.context = ctypes.CDLL(str(DRIVER)), [], ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self.context), 0)
        self.call("cuCtxPushCurrent_v2", self.context)

    def call(self, name, *arguments):
        assert getattr(self.driver, name)(*arguments) == 0, name

    def copy(self, name, to, source, size):
        self.call(name, ctypes.c_uint64(to), ctypes.c_uint64(source), ctypes.c_size_t(size), None)
        self.call("cuStreamSynchronize", None)

    def put(self, array) -> int:
        pointer = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(array.nbytes))
        self.given.append(pointer)
        self.copy("cuMemcpyHtoDAsync_v2", pointer.value, array.ctypes.data, array.nbytes)
        return pointer.value

    def get(self, where, shape):
        array = np.empty(shape, np.float32)
        self.copy("cuMemcpyDtoHAsync_v2", array.ctypes.data, where, array.nbytes)
        return array

    def close(self):
        for pointer in self.given:
            self.call("cuMemFree_v2", pointer)
        self.call("cuCtxPopCurrent_v2", ctypes.byref(self.context))
        self.call("cuDevicePrimaryCtxRelease_v2", 0)


@pytest.fixture
def memory(setun):
    result = Memory()
    yield result
    result.close()


class Tensor:
    """A float32 tensor of a device."""

    def __init__(self, where, shape, index=0, strides=None):
        self.where, self.shape, self.index, self.strides, self.streams = where, shape, index, strides, []

    def __dlpack_device__(self):
        return 2, self.index

    def __dlpack__(self, stream=None):
        from setun import arrays, device

        self.streams.append(stream)
        capsule = device.DeviceTensor(self, (2, self.index), self.where, self.shape, "f32").__dlpack__()
        if self.strides:
            self.kept = (ctypes.c_int64 * len(self.strides))(*self.strides)
            device.DLTensor.from_address(arrays.capsule_pointer(capsule, b"dltensor")).strides = self.kept
        return capsule


def test_choice(setun, library, monkeypatch):
    assert setun.load(library).device == "cuda:0" and setun.load(library).level == "sm_80"
    assert setun.load(library, device="cpu").device == "cpu"
    assert np.array_equal(setun.load(library)(X), setun.load(library, device="cpu")(X))
    with pytest.raises(setun.RuntimeError, match="there is no CUDA device 1"):
        setun.load(library, device="cuda:1")
    with pytest.raises(setun.RuntimeError, match="no level that runs on 'tpu'"):
        setun.load(library, device="tpu")
    monkeypatch.setenv("SETUN_DEVICE", "cpu")
    assert setun.load(library).device == "cpu" and setun.load(library, device="cuda").device == "cuda:0"


def test_runs_many(setun, library):
    """The same step again and again, other sizes between."""
    host, session = setun.load(library, device="cpu"), setun.load(library).session()
    for rows in (5, 5, 5, 2, 5, 1, 1, 1):
        assert np.array_equal(session.run({"x": X[:rows]})["y/0"], host(X[:rows]))


def test_takes_tensors_of_the_device(setun, library, memory):
    expected = setun.load(library, device="cpu")(X)
    session, where = setun.load(library).session(), memory.put(X)
    given = Tensor(where, (5, 4))
    assert np.array_equal(session.run({"x": given})["y/0"], expected)
    assert given.streams[0]  # ordered before what the session does
    moved = Tensor(where + 16, (4, 4))  # not at a multiple of 64 bytes
    assert np.array_equal(session.run({"x": moved})["y/0"], expected[1:])
    with pytest.raises(setun.RuntimeError, match="input 'x': it is on device 3, and the model runs on 0"):
        session.run({"x": Tensor(where, (5, 4), index=3)})
    with pytest.raises(setun.RuntimeError, match="input 'x': its elements do not lie one behind the other"):
        session.run({"x": Tensor(where, (5, 4), strides=(1, 5))})
    with pytest.raises(setun.RuntimeError, match="input 'x': dimension 1 is 5, expected 4"):
        session.run({"x": Tensor(where, (4, 5))})
    with pytest.raises(setun.RuntimeError, match="move it to the CPU first"):
        setun.load(library, device="cpu").run({"x": Tensor(where, (5, 4))})


def test_gives_tensors_of_the_device(setun, library, memory):
    from setun import arrays, device

    session = setun.load(library).session()
    expected = session.run({"x": X})["y/0"]
    output = session.on_device("y/0")
    assert output.shape == (5, 3) and output.dtype == "f32" and output.__dlpack_device__() == (2, 0)
    capsule = output.__dlpack__(stream=1, max_version=(1, 0))
    tensor = device.DLTensor.from_address(arrays.capsule_pointer(capsule, b"dltensor"))
    assert (tensor.device_type, tensor.device_id, tensor.ndim, tensor.code, tensor.bits) == (2, 0, 2, 2, 32)
    assert np.array_equal(memory.get(tensor.data, (5, 3)), expected)
    assert len(device._held) == 1
    del capsule
    assert not device._held
    with pytest.raises(BufferError):
        output.__dlpack__(copy=True)
    with pytest.raises(setun.RuntimeError, match="has no output 'z'"):
        session.on_device("z")
    with pytest.raises(setun.RuntimeError, match="runs on the processor"):
        setun.load(library, device="cpu").session().on_device("y/0")


@pytest.mark.parametrize("graphs", ["0", "1"])
def test_profile(library, tmp_path, graphs):
    """Every launch of every run has its time, whether it is enqueued by itself or part of a graph."""
    profile, log = tmp_path / "profile", tmp_path / "log"
    code = (f"import numpy as np, setun\nmodel = setun.load({str(library)!r}, device='cuda')\n"
            "x = np.arange(-8, 12, dtype=np.float32).reshape(5, 4)\nfor rows in (5, 5, 5, 3, 5, 5): model(x[:rows])\n")  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "SETUN_CUDA_DRIVER": str(DRIVER), "SETUN_CUDA_PROFILE": str(profile), "SETUN_CUDA_GRAPH": graphs, "SETUN_FAKE_CUDA_LOG": str(log)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    lines = [json.loads(line) for line in profile.read_text().splitlines()]
    assert sum(line["runs"] for line in lines) == 6
    kernels = [kernel for line in lines for kernel in line["kernels"]]
    assert kernels and all(kernel["launches"] % 6 == 0 and kernel["milliseconds"] > 0 for kernel in kernels)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert any(call.get("call") == "cuGraphLaunch" for call in calls) == (graphs == "1")
    if graphs == "0":
        assert sum(kernel["launches"] for kernel in kernels) == sum(call.get("call") == "cuLaunchKernelEx" for call in calls)


def test_profile_that_cannot_be_written(library, tmp_path):
    code = f"import setun\nsetun.load({str(library)!r}, device='cuda')(x=__import__('numpy').zeros((5, 4), 'f4'))\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "SETUN_CUDA_DRIVER": str(DRIVER), "SETUN_CUDA_PROFILE": str(tmp_path / "no" / "profile")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "SETUN_CUDA_PROFILE: cannot write" in done.stderr.splitlines()[-1]


def test_leaves_nothing(library, tmp_path):
    code = f"""import sys, gc, numpy as np, setun
session = setun.load({str(library)!r}).session()
for i in range(3): session.run(x=np.ones((2, 4), np.float32))
del session; gc.collect()"""
    log = tmp_path / "log"
    environment = {**os.environ, "SETUN_CUDA_DRIVER": str(DRIVER), "SETUN_FAKE_CUDA_LOG": str(log), "PYTHONPATH": str(ROOT / "python")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    left = json.loads(log.read_text().splitlines()[-1])["left"]
    assert not any(left.values()), left


@pytest.mark.parametrize("fails, opens, runs", [
    ("cuDevicePrimaryCtxRetain", "Fake GPU sm_90 cannot be used: CUDA_ERROR_UNKNOWN", []),
    ("cuMemAlloc:1", "the weights do not fit: 64 bytes are needed, and ", []),
    ("cuMemHostAlloc:2", "the weights cannot be copied to Fake GPU sm_90: CUDA_ERROR_OUT_OF_MEMORY", []),
    ("cuMemcpyHtoDAsync:1", "the weights cannot be copied", []),
    ("cuStreamSynchronize:1", "the weights cannot be copied", []),
    ("cuModuleGetFunction", "the model's device code has no kernel '", []),
    ("cuMemAlloc:2", "are needed, and ", []),
    ("cuMemAlloc:3", "", ["out of memory: output 'y/0' takes 24 bytes; 64 bytes are needed", "", ""]),
    ("cuMemHostAlloc:4", "", ["out of memory: 'y/0' takes 24 bytes of the host", "", ""]),
    ("cuLaunchKernelEx:1", "", ["cannot be launched: CUDA_ERROR_UNKNOWN", "", ""]),
    ("cuStreamSynchronize:2", "", ["the kernels failed on Fake GPU sm_90", "", ""]),
    ("cuMemcpyDtoHAsync:2", "", ["'y/0' cannot be read", "", ""]),
    ("cuLaunchKernelEx:3", "", ["", "", ""]),  # in a capture: the run goes on without a graph
    ("cuStreamBeginCapture", "", ["", "", ""]),
    ("cuGraphInstantiateWithFlags", "", ["", "", ""]),
    ("cuGraphGetNodes", "", ["", "", ""]),
    ("cuGraphLaunch", "", ["", "the run cannot be launched", ""]),
])  # fmt: skip
def test_failures(library, tmp_path, fails, opens, runs):
    """Whatever fails once: one message, nothing left behind, and the next run is as it should be."""
    code = f"""import gc, json, numpy as np, setun
told = []
try:
    session = setun.load({str(library)!r}, device="cuda").session()
    told.append("")
    for i in range({len(runs)}):
        try: told.append("" if session.run(x=np.ones((2, 4), "f"))["y/0"].tolist() == [[0.5, 0, 1]] * 2 else "wrong")
        except setun.RuntimeError as error: told.append(str(error))
    del session
except setun.RuntimeError as error: told.append(str(error))
gc.collect()
print(json.dumps(told))"""
    log = tmp_path / "log"
    environment = {**os.environ, "SETUN_CUDA_DRIVER": str(DRIVER), "SETUN_FAKE_CUDA_LOG": str(log), "SETUN_FAKE_CUDA_FAIL": fails,
                   "PYTHONPATH": str(ROOT / "python")}  # fmt: skip
    told = json.loads(subprocess.check_output([sys.executable, "-c", code], env=environment, text=True))
    assert len(told) == 1 + len(runs)
    for message, part in zip(told, [opens, *runs]):
        assert part in message and bool(part) == bool(message) and "\n" not in message, message
    left = json.loads(log.read_text().splitlines()[-1]).get("left")
    assert left is not None and not any(left.values()), left
