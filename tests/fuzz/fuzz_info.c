/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a module file says of itself is read without harm, and what is accepted is whole; what is refused, with
 * KM_INPUT. */
#include <kmend/patch.h>

#include "target.h"

static void check_object(const struct km_info_object *object)
{
	fuzz_require(object->name && *object->name && strlen(object->name) <= KM_KLP_OBJECT_MAX, "an object has a name",
		     NULL);
	for (size_t i = 0; i < object->funcs.n; i++)
		fuzz_require(object->funcs.at[i].name && *object->funcs.at[i].name, "a function has a name", NULL);
}

static void check_signature(const struct km_modsig *sig, size_t size)
{
	const char *const texts[] = {sig->damaged, sig->issuer, sig->serial, sig->key_id, sig->hash};

	fuzz_require(sig->there ? sig->body < size : sig->body == size, "the module ends before its signature", NULL);
	fuzz_require(sig->there == (sig->damaged || (sig->signers && sig->hash)), "a signature is read or damaged", NULL);
	for (size_t i = 0; i < KM_COUNT(texts); i++)
		fuzz_require(!texts[i] || km_plain(texts[i], 256), "the signer can be printed", NULL);
}

/* The end of any bytes, whether a module stands before it or not. */
static void read_end(const uint8_t *bytes, size_t size)
{
	struct km_modsig sig;

	km_modsig_read(bytes, size, &sig);
	check_signature(&sig, size);
	km_modsig_free(&sig);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct km_info *info = NULL;
	km_error *err;

	read_end(bytes, size);
	err = km_info_parse(bytes, size, &info);
	if (err) {
		fuzz_require(err->code == KM_INPUT && !info, "a refusal names the input", err);
		km_error_free(err);
		return 0;
	}
	if (info->ours)
		fuzz_require(info->name && info->release && info->format == KM_PATCH_FORMAT, "ours is whole", NULL);
	check_signature(&info->signature, size);
	for (size_t i = 0; i < info->objects.n; i++)
		check_object(&info->objects.at[i]);
	km_info_free(info);
	return 0;
}
