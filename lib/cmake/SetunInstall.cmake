# cmake --install: headers, libraries, tools, the runtime and the package files for find_package(Setun).
