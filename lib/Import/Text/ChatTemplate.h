//===- ChatTemplate.h - Chat templates to programs of segments -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_TEXT_CHATTEMPLATE_H
#define SETUN_LIB_IMPORT_TEXT_CHATTEMPLATE_H

#include "mlir/IR/Location.h"
#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace setun::text {

/// The SETUN_TEXT_CHAT section (setun-rt/text_table.h) of a folder's chat template (chat_template.jinja, else
/// `chat_template` of tokenizer_config.json). Nothing where the folder has none, or, after a warning that says why,
/// where the template cannot become a program or there is no Python with Jinja to render it: SETUN_PYTHON, else
/// python3.
std::optional<std::string> compileChatTemplate(llvm::StringRef folder, mlir::Location location);

} // namespace setun::text

#endif // SETUN_LIB_IMPORT_TEXT_CHATTEMPLATE_H
