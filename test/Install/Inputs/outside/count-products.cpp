// Counts the ternary products in a module.
#include "setun/Dialect/Ternary/IR/Ternary.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<setun::ternary::TernaryDialect, mlir::func::FuncDialect>();
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(argc > 1 ? argv[1] : "-", &context);
  if (!module)
    return 1;
  int products = 0;
  module->walk([&](setun::ternary::MatmulOp) { ++products; });
  llvm::outs() << products << " products\n";
}
