# cmake -DTBLGEN=mlir-tblgen -DMLIR_INCLUDE=folder -DOUTPUT=docs -P GenerateDocs.cmake
# Writes OUTPUT/dialects/*.md and OUTPUT/generated/passes-*.md from ODS. The target setun-docs and the test that finds
# stale documents both come here; a new Passes.td needs no edit.
get_filename_component(root ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
set(include ${root}/include)

function(generate td output)
  get_filename_component(folder ${OUTPUT}/${output} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  execute_process(COMMAND ${TBLGEN} ${ARGN} ${td} -I ${include} -I ${MLIR_INCLUDE} OUTPUT_VARIABLE text RESULT_VARIABLE status)
  if(status)
    message(FATAL_ERROR "${TBLGEN} failed on ${td}")
  endif()
  string(REGEX REPLACE "[ \t]+\n" "\n" text "${text}")
  string(REGEX REPLACE "\n+$" "\n" text "${text}")
  file(WRITE ${OUTPUT}/${output} "${text}")
endfunction()

generate(${include}/setun/Dialect/Ternary/IR/TernaryOps.td dialects/ternary.md -gen-dialect-doc -dialect=ternary)
generate(${include}/setun/Dialect/NN/IR/NNOps.td dialects/nn.md -gen-dialect-doc -dialect=nn)

# include/setun/Dialect/Ternary/Transforms/Passes.td -> generated/passes-dialect-ternary.md
file(GLOB_RECURSE passes RELATIVE ${include}/setun ${include}/setun/*/Passes.td)
foreach(td ${passes})
  string(REGEX REPLACE "(/Transforms)?/Passes.td$" "" name ${td})
  string(REPLACE "/" "-" name ${name})
  string(TOLOWER ${name} name)
  file(STRINGS ${include}/setun/${td} defs REGEX "^def ")
  if(defs)
    generate(${include}/setun/${td} generated/passes-${name}.md -gen-pass-doc)
  endif()
endforeach()
