//===- Machine.h - Threads, warps and blocks of one launch -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What rewritten kernels call. Every call hands over the thread and its Site, the
// place in the kernel; operands and results go through the thread's slots. A thread
// that must wait clears its bit in its warp's mask of ready lanes and switches to
// another; who ends the wait sets the bit again.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_EMULATOR_MACHINE_H
#define SETUN_LIB_TARGET_NVPTX_EMULATOR_MACHINE_H

#include "Fiber.h"
#include "GlobalRaces.h"

#include "setun/Target/NVPTX/Emulator.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"

#include <deque>

namespace setun::nvptx::emulator {

class Machine;
struct Block;
struct Site;
struct Thread;
struct Warp;

/// Computes a collective for `lanes`, all of which have come: from their slots `in` to their slots `out`.
using Compute = void (*)(Warp &warp, uint32_t lanes, const Site &site);

/// A place in a kernel that calls the machine.
struct Site {
  std::string what;                                        // for messages: "shfl.sync.bfly.i32"
  unsigned index = 0;                                      // among the kernel's sites
  uint64_t bytes = 0;                                      // of an access or copy
  uint64_t align = 1;                                      // of an access
  Compute compute{};                                       // of a collective
  bool aligned = false;                                    // all threads of a warp must come to this very place
  bool fullWarp = false;                                   // a collective without a mask
  int mode = 0;                                            // for `compute` and barriers
  bool writes = false, acquires = false, releases = false; // of an atomic access of the device's memory
};

struct AsyncCopy {
  uint8_t *destination;
  const uint8_t *source;
  uint32_t bytes, sourceBytes;
  bool early; // has been done before anybody waited
};

/// A thread's asynchronous copies, oldest first.
struct AsyncCopies {
  std::deque<llvm::SmallVector<AsyncCopy, 8>> groups; // committed
  llvm::SmallVector<AsyncCopy, 8> open;
};

struct GroupProduct; // of four warps; see GroupProducts.cpp

/// Sums that products of four warps work on. The thread's registers hold marks meanwhile.
struct PendingSums {
  uint32_t mark; // of the first; the others follow
  std::shared_ptr<std::vector<uint32_t>> values;
};

/// A thread's products of four warps, oldest first.
struct GroupProducts {
  using Group = llvm::SmallVector<std::shared_ptr<GroupProduct>, 4>;
  std::deque<Group> groups; // committed
  Group open;
  std::vector<PendingSums> sums;
  uint32_t marks = 0; // how many there have been
};

/// What collectives compute; Site::mode says which of a family.
enum ShuffleMode { kUp, kDown, kButterfly, kIndex };
enum VoteMode { kAll, kAny, kUniform, kBallot };
enum ReduceMode { kAdd, kMin, kMax, kUMin, kUMax, kAnd, kOr, kXor };
enum BarrierMode { kSync, kCount, kBarrierAnd, kBarrierOr };
void computeNothing(Warp &warp, uint32_t lanes, const Site &site);
void computeShuffle(Warp &warp, uint32_t lanes, const Site &site); // in[1]: value, in[2]: lane, in[3]: clamp
void computeVote(Warp &warp, uint32_t lanes, const Site &site);    // in[1]: predicate
void computeReduce(Warp &warp, uint32_t lanes, const Site &site);  // in[1]: value
void computeReduceFloat(Warp &warp, uint32_t lanes, const Site &site);
void computeMatchAny(Warp &warp, uint32_t lanes, const Site &site); // in[2,3]: value
void computeMatchAll(Warp &warp, uint32_t lanes, const Site &site);
void computeElect(Warp &warp, uint32_t lanes, const Site &site);
void computeLoadMatrix(Warp &warp, uint32_t lanes, const Site &site);  // in[0,1]: address
void computeStoreMatrix(Warp &warp, uint32_t lanes, const Site &site); // in[0,1]: address, in[2...]: rows
void computeMmaI8(Warp &warp, uint32_t lanes, const Site &site);       // in[0...]: A, B, C
void computeMmaF16(Warp &warp, uint32_t lanes, const Site &site);
/// Bits of Site::mode for matrices.
enum { kASigned = 1, kBSigned = 2, kSaturate = 4, kBF16 = 8, kF16Accumulator = 16, kTransposed = 32, kCountShift = 8 };

enum class Wait : uint8_t { None, Barrier, Collective, Grid };

struct Thread {
  // What every switch needs.
  Fiber *fiber; // null before its start
  Warp *warp;
  Block *block;
  const Site *site;
  uint32_t waitsFor; // a mask of lanes or a barrier's number
  Wait wait;
  // Written and read by kernels' code.
  uint32_t lane;
  alignas(8) uint32_t out[4];
  alignas(8) uint32_t in[16];
  uint32_t id[3];
  // The machine's.
  uint32_t spins;
  uint32_t releases; // how often it has made its writes known to the tensor cores
  AsyncCopies *copies;
  GroupProducts *products;
};

/// When an access was: by whom, after how many barriers of the block and of the warp.
struct AccessTime {
  uint16_t thread, warp;
  uint32_t blockTime, warpTime;
};

/// What is known of a byte of shared memory.
struct ByteState {
  AccessTime written, read;
  bool pending;      // an asynchronous copy is on its way
  uint8_t wanted;    // by products that are not done
  uint32_t releases; // of the one who wrote, when it did
  bool contested;    // written by several threads, which may be if all wrote `value`
  uint8_t value;
};

struct Meeting {
  uint32_t mask, arrived; // nobody has arrived: free
  const Site *site;
};

struct Warp {
  Thread *threads; // its first
  Block *block;
  uint32_t index, exists, alive, ready; // masks of lanes
  uint32_t numMeetings;
  Meeting meetings[32];
  const Site *barrierSite[16];
  uint32_t time; // how often its lanes have met at bar.warp.sync
};

struct Barrier {
  uint32_t arrived, expected, sum; // `sum`: of predicates that hold
  const Site *site;
};

/// Four warps on their way to a product.
struct GroupMeeting {
  uint32_t arrived;
  const Site *site;
};

struct Block {
  // Read by kernels' code.
  uint32_t id[3], size[3], grid[3];
  uint32_t dynamicShared, totalShared;
  uint8_t *shared;
  uint64_t sharedSize;   // of static and dynamic shared memory
  struct Checked *cache; // of ranges, one a site; see CheckAccesses.cpp
  uint64_t clock;
  // The machine's.
  Machine *machine;
  uint32_t numThreads, numWarps, alive, readyWarps, warp; // `warp`: the one that runs
  uint32_t exited;
  Barrier barriers[16];
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<GroupMeeting> groups;
  std::vector<uint8_t> memory;
  std::vector<ByteState> bytes; // of shared memory, if races are looked for
  uint32_t time = 0;            // how often its threads have met at a barrier
  Block() = default;
  Block(const Block &) = delete;
  ~Block();
};

/// The last range that a site's accesses fell into: offsets from `begin` below `size` are good.
struct Checked {
  uint64_t begin, size;
};

/// Sorted ranges of memory that kernels may touch.
struct MemoryTable {
  bool known = false;
  std::vector<MemoryRange> ranges;
  const MemoryRange *find(uint64_t address) const; // the last that begins at or before it
};

using KernelEntry = void (*)(Thread *thread, const void *params);

/// A kernel, ready to run.
struct CompiledKernel {
  const KernelInfo *info = nullptr;
  KernelEntry entry = nullptr;
  uint64_t stackBytes = 0;
  std::deque<Site> sites; // keeps addresses
  unsigned numChecks = 0; // sites with an entry in Block::cache
  bool checksRaces = false;
  std::vector<MemoryRange> constants;
};

class Machine final : public EmulatedLaunch {
public:
  Machine();
  ~Machine() override;

  /// Makes it ready for a launch and runs the first `early` blocks as far as they come without their dependencies.
  llvm::Error start(const CompiledKernel &kernel, const LaunchConfig &config, uint64_t seed, uint64_t turn,
                    const MemoryTable *memory, uint32_t early);
  llvm::Error finish() override;

  // Called on fibers.
  void block(Thread &thread, Wait wait, const Site &site, uint32_t waitsFor);
  /// A good place for another thread to run, if the seed wants so.
  void reconsider(Thread &thread);
  void spin(Thread &thread);
  [[noreturn]] void fail(const Thread &thread, const llvm::Twine &message);
  static void wake(Thread &thread);
  /// A number below `bound`.
  uint32_t random(uint32_t bound);
  /// Whether asynchronous copies may arrive now.
  bool hurries();
  void checkRange(Thread &thread, const Site &site, uint64_t address, uint64_t bytes, bool remember);

  bool dependenciesDone = false;
  GlobalRaces globalRaces;

private:
  static void runFiber(void *machine);
  Thread *pick();
  Thread *pickIn(Block &block, Thread *spinner);
  Block *admit();
  /// The block to come in as number `count`: a device has an order of its own.
  uint64_t blockAt(uint64_t count) const;
  void retire();
  void leave(Thread &thread, Thread *next);
  void end(Thread &thread);
  void reportDeadlock();
  llvm::Error run();

  enum class Order { Forward, Random, Backward, Starve, Lead };
  FiberPool fibers;
  Fiber host;
  const CompiledKernel *kernel = nullptr;
  LaunchConfig config;
  std::vector<uint64_t> params;
  const MemoryTable *memory = nullptr;
  std::vector<Checked> cache;
  std::vector<std::unique_ptr<Block>> resident, spare;
  Block *current = nullptr;
  Thread *running = nullptr;
  uint64_t nextBlock = 0, numBlocks = 0, admitLimit = 0, spinsInARow = 0, rng = 1;
  Order order = Order::Forward;
  uint64_t stride = 1;  // from a block to the next, where their order is mixed
  uint32_t special = 0; // the warp that is starved or leads
  unsigned haste = 0;   // of 16 chances that a copy arrives before it is waited for
  std::string error;
};

/// Fills memory that nothing has been written to: NaN in f16, bf16 and f32, far from zero in i8.
void poison(uint8_t *begin, uint64_t bytes);

// Races of shared memory; see Races.cpp.
enum class Access { Load, Store, Atomic, Request, Arrive, Want, Done };
void forgetAccesses(Block &block);
void touchShared(Thread &thread, const Site &site, uint64_t address, uint64_t bytes, Access kind);
void touch(Thread *thread, const Site *site); // in[0,1]: address, in[2,3]: bytes; Site::mode: an Access
// Races of the device's memory between blocks; see GlobalRaces.h.
void touchGlobal(Thread &thread, const Site &site, uint64_t address, uint64_t bytes, Access kind);
void fenceGlobal(Thread *thread, const Site *site); //

/// f16 by hand, for processors without.
float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value);

/// Names a thread for a message.
std::string describe(const Thread &thread);

// What kernels call; see Rewrite*.cpp for who passes what in the slots.
void meet(Thread *thread, const Site *site);              // in[0]: mask, unless the site is of a full warp
void barrier(Thread *thread, const Site *site);           // in[0]: number, in[1]: threads or 0, in[2]: predicate
void barrierArrive(Thread *thread, const Site *site);     // in[0]: number, in[1]: threads
void copyAsync(Thread *thread, const Site *site);         // in[0,1]: to, in[2,3]: from, in[4]: bytes of the source
void commitCopies(Thread *thread, const Site *site);      //
void waitCopies(Thread *thread, const Site *site);        // in[0]: groups that may stay
void waitAllCopies(Thread *thread, const Site *site);     //
void waitForGrid(Thread *thread, const Site *site);       //
void spinOnce(Thread *thread, const Site *site);          //
void trap(Thread *thread, const Site *site);              //
void checkSlowly(Thread *thread, const Site *site);       // in[0,1]: address, in[2,3]: bytes
void failShared(Thread *thread, const Site *site);        // in[0,1]: address
void multiplyGroup(Thread *thread, const Site *site);     // in[0...3]: A, in[4,5]: tokens, in[6,7]: where sums are
void commitProducts(Thread *thread, const Site *site);    //
void waitProducts(Thread *thread, const Site *site);      // in[0]: groups that may stay, in[2,3]: sums, in[4]: how many
void releaseShared(Thread *thread, const Site *site);     //
bool hasProducts(const Thread &thread);                   // that are not done
void finishCopies(Thread &thread, size_t groupsThatStay); // at a wait
void hurryCopies(Thread &thread);                         // at a switch

} // namespace setun::nvptx::emulator

#endif // SETUN_LIB_TARGET_NVPTX_EMULATOR_MACHINE_H
