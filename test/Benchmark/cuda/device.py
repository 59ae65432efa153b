"""The card, by the driver alone (ctypes on libcuda): its name, and how fast it reads its memory."""

import ctypes
import os
import shutil
import subprocess

# Dense int8 operations a second of the tensor cores at boost clock, by NVIDIA's data sheets; the first name that fits.
INT8_PEAKS = [("GB200", 5000e12), ("B200", 4500e12), ("H200", 1979e12), ("H100 NVL", 1671e12), ("H100 PCIe", 1513e12), ("H100", 1979e12),
              ("GH200", 1979e12), ("A100", 624e12), ("A800", 624e12), ("L40S", 733e12), ("L40", 362e12), ("L4", 242e12),
              ("A40", 299e12), ("A30", 330e12), ("A10", 250e12), ("RTX 4090", 661e12), ("RTX 3090", 284e12)]


def int8_peak(name: str) -> float | None:
    return next((peak for key, peak in INT8_PEAKS if key in name), None)


class NoDevice(Exception):
    """In words: why nothing can be measured here."""


class Device:
    """Device 0 of the driver that the models take (SETUN_CUDA_DRIVER, else libcuda.so.1)."""

    def __init__(self) -> None:
        path = os.environ.get("SETUN_CUDA_DRIVER", "libcuda.so.1")
        try:
            self.cuda = ctypes.CDLL(path)
        except OSError as error:
            raise NoDevice(f"there is no CUDA driver: {error}") from None
        count, self.device, version = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        if code := self.cuda.cuInit(0):
            raise NoDevice(f"the CUDA driver does not start (error {code})")
        self.call("cuDeviceGetCount", ctypes.byref(count))
        if not count.value:
            raise NoDevice("the CUDA driver sees no device")
        self.call("cuDeviceGet", ctypes.byref(self.device), 0)
        self.call("cuDriverGetVersion", ctypes.byref(version))
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, 256, self.device)
        self.name, self.driver = name.value.decode(), version.value
        self.capability = [self.attribute(75), self.attribute(76)]
        self.processors = self.attribute(16)

    def call(self, function: str, *arguments) -> None:
        if code := getattr(self.cuda, function)(*arguments):
            raise NoDevice(f"{function} fails: error {code}")

    def attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), number, self.device)
        return value.value

    def bandwidth(self, bytes: int = 1 << 30, rounds: int = 10) -> float:
        """Bytes a second that a copy on the device reads and writes together: two a byte; the best of `rounds`."""
        context, times = ctypes.c_void_p(), []
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self.device)
        self.call("cuCtxSetCurrent", context)
        free, total, begin, end = ctypes.c_size_t(), ctypes.c_size_t(), ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        size = ctypes.c_size_t(min(bytes, free.value // 4))
        buffers = [ctypes.c_uint64(), ctypes.c_uint64()]
        for buffer in buffers:
            self.call("cuMemAlloc_v2", ctypes.byref(buffer), size)
        for event in (begin, end):
            self.call("cuEventCreate", ctypes.byref(event), 0)
        self.call("cuMemsetD8Async", buffers[1], ctypes.c_ubyte(85), size, None)
        for _ in range(rounds + 2):
            self.call("cuEventRecord", begin, None)
            self.call("cuMemcpyDtoDAsync_v2", buffers[0], buffers[1], size, None)
            self.call("cuEventRecord", end, None)
            self.call("cuEventSynchronize", end)
            time = ctypes.c_float()
            self.call("cuEventElapsedTime", ctypes.byref(time), begin, end)
            times.append(time.value * 1e-3)
        for buffer in buffers:
            self.call("cuMemFree_v2", buffer)
        for event in (begin, end):
            self.call("cuEventDestroy_v2", event)
        self.call("cuDevicePrimaryCtxRelease_v2", self.device)
        return 2 * size.value / min(times[2:])


class Power:
    """Watts while something runs, five times a second by nvidia-smi; the median of the upper half. None without it."""

    def __enter__(self):
        self.watts, self.process = None, None
        if shutil.which("nvidia-smi") and "SETUN_CUDA_DRIVER" not in os.environ:
            command = ["nvidia-smi", "--id=0", "--query-gpu=power.draw", "--format=csv,noheader,nounits", "-lms", "200"]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self

    def __exit__(self, *_) -> None:
        if self.process:
            self.process.terminate()
            draws = sorted(float(w) for w in self.process.communicate()[0].split() if w.replace(".", "", 1).isdigit())
            self.watts = draws[len(draws) * 3 // 4] if draws else None
