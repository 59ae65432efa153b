#include "Tokenizer.h"
llvm::Expected<setun::text::Tokenizer> setun::text::readSentencePiece(llvm::StringRef, llvm::StringRef) { return makeError("tokenizer.model is not supported yet"); }
