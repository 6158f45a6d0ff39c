# SPDX-License-Identifier: GPL-2.0-only
# What the kernel's headers declare, as -DKM_HAVE_<feature>. $(call km-declares,HEADER,WORD) is y when WORD stands in HEADER.
km-declares = $(if $(shell grep -w -m1 $(2) $(srctree)/include/$(1)),y)

ccflags-$(call km-declares,linux/ftrace.h,register_ftrace_direct_multi) += -DKM_HAVE_FTRACE_DIRECT_MULTI
ccflags-$(call km-declares,linux/module.h,MOD_TEXT) += -DKM_HAVE_MODULE_MEM
