# How every library and tool of Setun is declared. A library owns the .cpp files of its folder: adding a file needs no
# edit here or in its CMakeLists.txt.

include(GNUInstallDirs)

# Flags shared by all C++ of the compiler (the runtime is C and sets its own).
add_library(SetunFlags INTERFACE)
target_include_directories(SetunFlags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_include_directories(SetunFlags SYSTEM INTERFACE ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
separate_arguments(SETUN_LLVM_DEFINITIONS UNIX_COMMAND "${LLVM_DEFINITIONS}")
list(FILTER SETUN_LLVM_DEFINITIONS EXCLUDE REGEX "_GLIBCXX_USE_CXX11_ABI")
target_compile_options(SetunFlags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wno-unused-parameter;-fno-exceptions;${SETUN_LLVM_DEFINITIONS}>)
if(SETUN_SANITIZE)
  add_compile_options(-fsanitize=${SETUN_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SETUN_SANITIZE})
endif()

# One precompiled header of upstream MLIR for the whole compiler: it cuts a translation unit from five seconds to one.
add_library(SetunPrecompiled OBJECT ${PROJECT_SOURCE_DIR}/lib/cmake/Precompiled.cpp)
target_link_libraries(SetunPrecompiled PUBLIC SetunFlags)
target_precompile_headers(SetunPrecompiled PRIVATE ${PROJECT_SOURCE_DIR}/lib/cmake/Precompiled.h)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang$<SEMICOLON>-fno-pch-timestamp>)
endif()

# setun_use_precompiled(TARGET): for an executable whose files include MLIR. As the header is: not for executables alone.
function(setun_use_precompiled name)
  target_precompile_headers(${name} REUSE_FROM SetunPrecompiled)
  target_compile_options(${name} PRIVATE -fPIC)
endfunction()

# setun_add_library(NAME [DEPENDS generated-target...] [LINK library...])
# A static library of all *.cpp in the current folder, linked against the MLIR and LLVM shared libraries.
function(setun_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(${name} STATIC ${sources})
  target_precompile_headers(${name} REUSE_FROM SetunPrecompiled)
  target_link_libraries(${name} PUBLIC SetunFlags MLIR LLVM ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  set_property(GLOBAL APPEND PROPERTY SETUN_LIBRARIES ${name})
endfunction()

# setun_add_tool(NAME LINK library...): an executable of all *.cpp in the current folder, in build/bin.
function(setun_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_executable(${name} ${sources})
  setun_use_precompiled(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  set_property(GLOBAL APPEND PROPERTY SETUN_TOOLS ${name})
endfunction()

# setun_load_targets(EXECUTABLE): plug-ins of targets find every symbol of the compiler in the executable.
function(setun_load_targets name)
  get_property(libraries GLOBAL PROPERTY SETUN_LIBRARIES)
  set_target_properties(${name} PROPERTIES ENABLE_EXPORTS ON)
  list(TRANSFORM libraries REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE files)
  target_link_libraries(${name} PRIVATE ${libraries})
  target_link_options(${name} PRIVATE LINKER:--whole-archive ${files} LINKER:--no-whole-archive)
endfunction()

# setun_tablegen(TARGET FILE.td generator output ...): runs mlir-tblgen on a .td of the mirrored include folder; outputs
# land in the build tree's include folder, so that <setun/...> finds written and generated headers alike.
function(setun_tablegen target td)
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR}/lib ${CMAKE_CURRENT_SOURCE_DIR})
  set(input ${PROJECT_SOURCE_DIR}/include/setun/${folder}/${td})
  set(outputs)
  set(rest ${ARGN})
  while(rest)
    list(POP_FRONT rest flags output)
    set(out ${PROJECT_BINARY_DIR}/include/setun/${folder}/${output})
    separate_arguments(flags)
    add_custom_command(OUTPUT ${out}
      COMMAND ${MLIR_TABLEGEN_EXE} ${flags} ${input} -I ${PROJECT_SOURCE_DIR}/include -I ${MLIR_INCLUDE_DIRS}
              -o ${out} --write-if-changed -d ${out}.d
      DEPENDS ${input} ${MLIR_TABLEGEN_EXE} DEPFILE ${out}.d COMMENT "Generating ${folder}/${output}")
    list(APPEND outputs ${out})
  endwhile()
  add_custom_target(${target} DEPENDS ${outputs})
endfunction()

# setun_add_passes(TARGET Prefix): Passes.td of the current folder -> Passes.h.inc with registration named after Prefix.
function(setun_add_passes target prefix)
  setun_tablegen(${target} Passes.td "-gen-pass-decls -name ${prefix}" Passes.h.inc)
endfunction()
