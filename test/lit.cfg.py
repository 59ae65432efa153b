import glob
import os
import shutil

import lit.formats

config.name = "Setun"
config.test_format = lit.formats.ShTest(True)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.setun_build, "test")
config.excludes = ["Inputs", "Unit", "python"]
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.setun_build, "bin"), config.llvm_tools, os.environ["PATH"]])
config.environment["FILECHECK_OPTS"] = "--enable-var-scope"
venv = os.path.join(config.setun_source, ".venv", "bin", "python")
config.substitutions += [
    ("%python", venv if os.path.exists(venv) else "python3"),
    ("%setun_build", config.setun_build),
    ("%setun_source", config.setun_source),
    ("%mlir-opt", os.path.join(config.llvm_tools, "mlir-opt")),
]
# What links the runtime by hand can do so in builds without sanitizers only.
if not config.setun_sanitize:
    config.available_features.add("plain-build")
if config.setun_fuzzers:
    config.available_features.add("fuzzers")
# Architectures for which programs can be linked, and run by qemu.
for triple in filter(None, config.setun_cross_triples.split(";")):
    architecture = triple.split("-")[0]
    if shutil.which(f"qemu-{architecture}"):
        config.available_features.add(f"cross-{architecture}")
        if triple in config.setun_text_triples.split(";"):
            config.available_features.add(f"cross-text-{architecture}")
        config.substitutions.append((f"%qemu-{architecture}", f"qemu-{architecture} -L /usr/{triple}"))

# NVIDIA's header, wherever it lies: of a toolkit, or of a wheel that the environment holds. Tests that compare with it
# are UNSUPPORTED without; nothing else needs it.
roots = [os.environ.get(name) for name in ("CUDA_PATH", "CUDA_HOME")] + sorted(glob.glob("/usr/local/cuda*"))
roots += sorted(glob.glob(os.path.join(config.setun_source, ".venv", "lib", "python3*", "site-packages", "nvidia", "*")))
headers = {os.path.realpath(os.path.join(root, "include", "cuda.h")) for root in roots if root}
headers = sorted(header for header in headers if os.path.exists(header))
if headers:
    config.available_features.add("cuda-header")
config.substitutions.append(("%cuda_includes", " ".join(os.path.dirname(header) for header in headers)))
