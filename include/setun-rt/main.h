/*===- main.h - A model as a program -----------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* What a compiled executable's main calls: runs the model as its command line says (see --help). An executable is the
 * model's object linked with libsetun_rt_main.a, which holds main and this, and libsetun_rt.a. */

#ifndef SETUN_RT_MAIN_H
#define SETUN_RT_MAIN_H

#include "setun-rt/setun.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Returns the program's exit status. */
SETUN_API int setun_main(const setun_model_desc *model, int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_MAIN_H */
