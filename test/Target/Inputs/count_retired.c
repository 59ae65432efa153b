/* A plug-in of qemu that counts the instructions a program retires and says so at its end: qemu-aarch64 -plugin
 * libcount.so PROGRAM. It declares what it uses of qemu's plug-in interface, version 1: Debian's qemu-user has no
 * header. */

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*translated)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int add_u64, void *counter, uint64_t value);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*at_exit)(plugin_id, void *), void *data);

int qemu_plugin_version = 1;
static uint64_t retired;

static void translated(plugin_id id, struct qemu_plugin_tb *block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &retired, qemu_plugin_tb_n_insns(block));
}

static void at_exit(plugin_id id, void *data) {
  (void)id, (void)data;
  fprintf(stderr, "retired %" PRIu64 "\n", retired);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
  (void)info, (void)argc, (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, at_exit, NULL);
  return 0;
}
