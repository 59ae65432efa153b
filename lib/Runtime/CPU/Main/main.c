/*===- main.c - An executable's entry ------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "setun-rt/main.h"

extern const setun_model_desc setun_model;
int main(int argc, char **argv) { return setun_main(&setun_model, argc, argv); }
