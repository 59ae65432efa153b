# cmake --install: headers, libraries, tools, the runtime and the package files for find_package(Setun).

include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY SETUN_LIBRARIES)
get_property(tools GLOBAL PROPERTY SETUN_TOOLS)
get_property(runtimes GLOBAL PROPERTY SETUN_RUNTIMES)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Setun)

# The compiler looks for the runtime in ../lib from its own folder, whatever the system calls its library folder.
install(TARGETS SetunFlags ${libraries} ${runtimes} EXPORT SetunTargets ARCHIVE DESTINATION lib LIBRARY DESTINATION lib)
install(TARGETS ${tools} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ ${PROJECT_BINARY_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h" PATTERN "*.inc" PATTERN "*.td")
install(EXPORT SetunTargets NAMESPACE Setun:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/lib/cmake/SetunConfig.cmake.in ${PROJECT_BINARY_DIR}/SetunConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/SetunConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/SetunConfig.cmake ${PROJECT_BINARY_DIR}/SetunConfigVersion.cmake DESTINATION ${package_dir})
