/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/patch-format.h - what is inside a patch module besides code: the contract of builder, core and agent.
 *
 * modinfo (readable with modinfo(8)): livepatch=Y, kmend_format=1, kmend_name=, kmend_version=, kmend_release=,
 * kmend_build_id= (hex, of vmlinux), kmend_tool=, kmend_flavour= (klp or core). A module of the flavour core has no livepatch=Y; it
 * depends on kmend.
 *
 * Section ".kmend.meta" (SHT_PROGBITS, not loaded): one JSON object, UTF-8, keys sorted, no time stamps:
 *   format        1
 *   name, version, tool ("kmend 0.1.0"), flavour ("klp" or "core")
 *   kernel        { release, build_id (hex), arch, package }
 *   source_hash   SHA-256 (hex) of the source diffs
 *   cves          [ "CVE-…" ], severity, description: when given
 *   replace       true for a cumulative patch
 *   flags         [ "allow-mismatch", … ]: every override the author used
 *   objects       [ { name, build_id (modules), functions: [ { name, sympos, unit, size, expected, mask, matched } ] } ]
 * expected: SHA-256 (hex) of the shipped function's `size` bytes with the ranges of `mask` ([ [offset, length], … ], ascending,
 * not overlapping) set to zero. Masked are all fields that loading, boot or tracing may rewrite: relocations, the fentry call,
 * alternatives, paravirt sites, static branches and calls, retpolines and returns, lock prefixes.
 */
#ifndef KMEND_PATCH_FORMAT_H
#define KMEND_PATCH_FORMAT_H

#define KM_PATCH_FORMAT 1
#define KM_META_SECTION ".kmend.meta"
#define KM_META_MAX (4u << 20) /* bytes; larger is refused unread */

/* The kernel's livepatch ABI (include/linux/livepatch.h, Documentation/livepatch/module-elf-format.rst). */
#define KM_SHF_RELA_LIVEPATCH 0x00100000
#define KM_SHN_LIVEPATCH 0xff20
#define KM_KLP_SYM_PREFIX ".klp.sym."
#define KM_KLP_RELA_PREFIX ".klp.rela."
#define KM_KLP_OBJECT_MAX 55 /* characters of an object's name that the kernel can read (MODULE_NAME_LEN - 1) */

/* The flavour core: the function that every patch module for kmend.ko calls, and the module that exports it (kmod/kmend.h). */
#define KM_CORE_ENABLE "kmend_enable_patch"
#define KM_CORE_MODULE "kmend"

#endif
