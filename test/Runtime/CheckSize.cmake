# Fails when the runtime library holds more than 60 KB of code and constants.
execute_process(COMMAND ${SIZE} --format=berkeley --totals ${LIBRARY} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
if(NOT text MATCHES "\n *([0-9]+)[\t ][^\n]*TOTALS")
  message(FATAL_ERROR "cannot read the sizes:\n${text}")
endif()
if(CMAKE_MATCH_1 LESS 1000 OR NOT CMAKE_MATCH_1 LESS 61440)
  message(FATAL_ERROR "the runtime has ${CMAKE_MATCH_1} bytes of code and constants; the limit is 61440")
endif()
message(STATUS "the runtime has ${CMAKE_MATCH_1} bytes of code and constants")
