/* A QEMU plugin that counts the guest's instructions where the guest itself can read them.
 *
 *   qemu-aarch64 -plugin instruction_counter.so,counter=COUNTER program
 *
 * COUNTER is a file of at least 8 bytes. It is mapped into memory, and QEMU adds to it in line with the translated code,
 * so a guest that maps the same file reads a counter as others read a clock. Written from "QEMU TCG Plugins", version 1 of
 * the interface (QEMU 6 to 8; Debian ships no header). Threads of one guest share the counter and may lose counts to each
 * other: count with one.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct qemu_info_t;
struct qemu_plugin_tb; /* a translated block */
typedef uint64_t qemu_plugin_id_t;
typedef void (*on_translated)(qemu_plugin_id_t, struct qemu_plugin_tb *);
enum { INLINE_ADD_U64 = 0 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, on_translated);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *where, uint64_t operand);

int qemu_plugin_version = 1;

static uint64_t *instructions;

static void count_block(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, instructions, qemu_plugin_tb_n_insns(block));
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "counter=", 8) != 0) {
        fprintf(stderr, "instruction_counter: give counter=PATH and nothing else\n");
        return -1;
    }
    int file = open(argv[0] + 8, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        perror(argv[0] + 8);
        return -1;
    }
    instructions = mmap(NULL, sizeof *instructions, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (instructions == MAP_FAILED) {
        perror("instruction_counter: mmap");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, count_block);
    return 0;
}
