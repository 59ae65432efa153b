# The runtime for other architectures than this machine's, so that `setun compile --target` can link for them: the
# libraries for each triple of SETUN_RUNTIME_TRIPLES, in lib/setun/TRIPLE of the build and of the installation. The same
# clang compiles them; what a triple needs beside it are headers of the C library (on Debian libc6-dev-arm64-cross).

if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(others x86_64-linux-gnu)
else()
  set(others aarch64-linux-gnu)
endif()
set(SETUN_RUNTIME_TRIPLES ${others} CACHE STRING "Other architectures to build the runtime for, as ARCHITECTURE-linux-LIBC")

# Says in `result` whether code for `triple` can be compiled.
function(setun_check_cross_compiler triple result)
  string(MAKE_C_IDENTIFIER SETUN_COMPILES_${triple} variable)
  set(CMAKE_REQUIRED_FLAGS --target=${triple})
  set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
  set(CMAKE_REQUIRED_QUIET ON)
  check_c_source_compiles("#include <pthread.h>\n#include <sys/mman.h>\nint main(void) { return 0; }" ${variable})
  set(${result} ${${variable}} PARENT_SCOPE)
endfunction()

# setun_add_cross_runtime(NAME OUTPUT source...): library OUTPUT for every triple, installed where the compiler looks for it.
function(setun_add_cross_runtime name output)
  foreach(triple ${SETUN_CROSS_TRIPLES})
    set(target ${name}-${triple})
    add_library(${target} STATIC ${ARGN})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
    target_compile_options(${target} PRIVATE --target=${triple} ${SETUN_RUNTIME_FLAGS})
    if(triple MATCHES "^aarch64")
      target_compile_options(${target} PRIVATE -mno-outline-atomics) # calls into libgcc: the runtime needs libc alone
    endif()
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${output} ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/setun/${triple})
    install(TARGETS ${target} ARCHIVE DESTINATION lib/setun/${triple} COMPONENT package)
    set_property(GLOBAL APPEND PROPERTY SETUN_CROSS_RUNTIMES ${target})
  endforeach()
endfunction()

include(CheckCSourceCompiles)
set(SETUN_CROSS_TRIPLES)
foreach(triple ${SETUN_RUNTIME_TRIPLES})
  if(SETUN_SANITIZE)
    break() # sanitizers have no libraries for them
  elseif(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
    message(STATUS "No runtime for ${triple}: it takes clang, and this build has ${CMAKE_C_COMPILER_ID}")
    continue()
  endif()
  setun_check_cross_compiler(${triple} compiles)
  if(compiles)
    list(APPEND SETUN_CROSS_TRIPLES ${triple})
  else()
    message(STATUS "No runtime for ${triple}: the headers of its C library are missing (on Debian: see tools/setup)")
  endif()
endforeach()
