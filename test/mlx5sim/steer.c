/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of the receiving side: any of them leads all frames to the table its TIR names. */
#include "card.h"

#include <errno.h>

static void *
new_object(struct card *c, enum kind kind, const char *call)
{
	struct object *o;

	card_lock();
	o = order_fails(c, call) ? NULL : object_new(c, kind);
	card_unlock();
	if (o == NULL)
		errno = EIO;
	return o;
}

static int
end(void *o)
{
	card_lock();
	object_free(o);
	card_unlock();
	return 0;
}

struct mlx5dv_dr_domain *
mlx5dv_dr_domain_create(struct ibv_context *c, enum mlx5dv_dr_domain_type type)
{
	return new_object(card_of(c), KIND_PLAIN, "domain");
}

int
mlx5dv_dr_domain_destroy(struct mlx5dv_dr_domain *d)
{
	return end(d);
}

static struct card *
card_with(const void *o)
{
	return ((const struct object *)o)->card;
}

struct mlx5dv_dr_table *
mlx5dv_dr_table_create(struct mlx5dv_dr_domain *d, uint32_t level)
{
	return new_object(card_with(d), KIND_PLAIN, "table");
}

int
mlx5dv_dr_table_destroy(struct mlx5dv_dr_table *t)
{
	return end(t);
}

struct mlx5dv_dr_matcher *
mlx5dv_dr_matcher_create(struct mlx5dv_dr_table *t, uint16_t priority, uint8_t criteria,
			 struct mlx5dv_flow_match_parameters *mask)
{
	return new_object(card_with(t), KIND_MATCHER, "matcher");
}

int
mlx5dv_dr_matcher_destroy(struct mlx5dv_dr_matcher *m)
{
	return end(m);
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_devx_tir(struct mlx5dv_devx_obj *tir)
{
	const struct object *t = (const void *)tir;
	struct object *o = new_object(t->card, KIND_PLAIN, "action");

	if (o != NULL)
		o->refers = t->id;
	return (void *)o;
}

int
mlx5dv_dr_action_destroy(struct mlx5dv_dr_action *a)
{
	return end(a);
}

struct mlx5dv_dr_rule *
mlx5dv_dr_rule_create(struct mlx5dv_dr_matcher *m, struct mlx5dv_flow_match_parameters *value,
		      size_t n, struct mlx5dv_dr_action *actions[])
{
	struct object *o = new_object(card_with(m), KIND_RULE, "rule");
	const struct object *tir;

	if (o == NULL)
		return NULL;
	card_lock();
	o->card->rules++;
	tir = n > 0 ? object_at(((const struct object *)(const void *)actions[0])->refers, KIND_TIR)
		    : NULL;
	if (tir != NULL)
		o->card->rqt = tir->refers;
	card_unlock();
	return (void *)o;
}

int
mlx5dv_dr_rule_destroy(struct mlx5dv_dr_rule *r)
{
	return end(r);
}
