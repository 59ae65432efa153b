// Carries the precompiled header; see SetunLibrary.cmake.
