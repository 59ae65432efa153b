# cmake --install: headers, libraries, tools, the runtime and the package files for find_package(Setun). The component
# `package`, and the target setun-package that builds it, is what pip's package holds: the compiler and the runtime.

include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY SETUN_LIBRARIES)
get_property(tools GLOBAL PROPERTY SETUN_TOOLS)
get_property(runtimes GLOBAL PROPERTY SETUN_RUNTIMES)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Setun)

# The compiler looks for the runtime in ../lib from its own folder, whatever the system calls its library folder.
install(TARGETS SetunFlags ${libraries} EXPORT SetunTargets ARCHIVE DESTINATION lib)
set_target_properties(${runtimes} PROPERTIES INSTALL_RPATH $ORIGIN) # a library of the runtime finds the others beside it
install(TARGETS ${runtimes} EXPORT SetunTargets ARCHIVE DESTINATION lib COMPONENT package LIBRARY DESTINATION lib COMPONENT package)
list(REMOVE_ITEM tools setun)
install(TARGETS ${tools} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS setun RUNTIME DESTINATION bin COMPONENT package)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ ${PROJECT_BINARY_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp" PATTERN "*.inc" PATTERN "*.td")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/setun-rt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT package)
get_property(cross GLOBAL PROPERTY SETUN_CROSS_RUNTIMES)
add_custom_target(setun-package DEPENDS setun ${runtimes} ${cross})
install(EXPORT SetunTargets NAMESPACE Setun:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/lib/cmake/SetunConfig.cmake.in ${PROJECT_BINARY_DIR}/SetunConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/SetunConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/SetunConfig.cmake ${PROJECT_BINARY_DIR}/SetunConfigVersion.cmake DESTINATION ${package_dir})
