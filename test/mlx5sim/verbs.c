/* SPDX-License-Identifier: BSD-3-Clause */
/* libibverbs as far as the driver calls it, and libmlx5's parts that are not commands. */
#include "card.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#undef ibv_get_device_list

struct ibv_device **
ibv_get_device_list(int *n)
{
	struct ibv_device **list = calloc(ncards + 1, sizeof(struct ibv_device *));

	for (uint32_t i = 0; list != NULL && i < ncards; i++)
		list[i] = &cards[i].device;
	if (n != NULL)
		*n = list != NULL ? (int)ncards : 0;
	return list;
}

void
ibv_free_device_list(struct ibv_device **list)
{
	free(list);
}

const char *
ibv_get_device_name(struct ibv_device *d)
{
	return d->name;
}

int
ibv_fork_init(void)
{
	return 0;
}

enum ibv_fork_status
ibv_is_fork_initialized(void)
{
	return IBV_FORK_UNNEEDED;
}

struct ibv_pd *
ibv_alloc_pd(struct ibv_context *c)
{
	struct ibv_pd *pd = calloc(1, sizeof(*pd));

	if (pd != NULL)
		pd->context = c;
	return pd;
}

int
ibv_dealloc_pd(struct ibv_pd *pd)
{
	free(pd);
	return 0;
}

/* --- memory --- */

static struct ibv_mr *
new_mr(struct ibv_pd *pd, enum kind kind, const char *call)
{
	struct card *c = card_of(pd->context);
	struct object *o;

	card_lock();
	o = order_fails(c, call) ? NULL : object_new(c, kind);
	card_unlock();
	if (o == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	o->mr.verbs.context = pd->context;
	o->mr.verbs.pd = pd;
	o->mr.verbs.lkey = o->mr.verbs.rkey = o->id << 8;
	return &o->mr.verbs;
}

static struct ibv_mr *
null_mr(struct ibv_pd *pd)
{
	return new_mr(pd, KIND_NULL_MR, "null_mr");
}

/** Another mapping of the same pages: hardware has them after the program unmaps its own. */
static void
pin(struct mr *m, void *addr)
{
	void *own = mremap(addr, 0, m->len, MREMAP_MAYMOVE);

	m->pinned = own != MAP_FAILED;
	m->at = m->pinned ? own : addr;
}

struct ibv_mr *
ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t len, uint64_t iova, unsigned int access)
{
	struct ibv_mr *v = new_mr(pd, KIND_MR, "reg_mr");
	struct mr *m;

	if (v == NULL)
		return NULL;
	m = container_of(v, struct mr, verbs);
	card_lock();
	v->addr = addr;
	v->length = len;
	m->len = len;
	m->iova = iova;
	pin(m, addr);
	card_unlock();
	return v;
}

int
ibv_dereg_mr(struct ibv_mr *v)
{
	card_lock();
	object_free(container_of(v, struct object, mr.verbs));
	card_unlock();
	return 0;
}

/* --- devices --- */

/** The page that guests ring, which a file has so that others can map it. */
static int
doorbell_page(struct card *c)
{
	int fd = memfd_create("mlx5sim doorbell", MFD_CLOEXEC);
	void *p = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, PAGE) == 0)
		p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -1;
	c->doorbell = p;
	return fd;
}

struct ibv_context *
mlx5dv_open_device(struct ibv_device *d, struct mlx5dv_context_attr *attr)
{
	struct card *c = container_of(d, struct card, device);

	card_lock();
	c->verbs = (struct verbs_context){
		.sz = sizeof(c->verbs),
		.alloc_null_mr = null_mr,
		.context = {.device = d, .cmd_fd = doorbell_page(c), .async_fd = -1},
	};
	c->verbs.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
	card_unlock();
	if (c->doorbell == NULL || c->gone) {
		errno = ENODEV;
		return NULL;
	}
	card_power_on();
	return &c->verbs.context;
}

int
ibv_close_device(struct ibv_context *context)
{
	struct card *c = card_of(context);

	card_lock();
	munmap((void *)(uintptr_t)c->doorbell, PAGE);
	c->doorbell = NULL;
	close(context->cmd_fd);
	card_unlock();
	return 0;
}

int
mlx5dv_set_context_attr(struct ibv_context *c, enum mlx5dv_set_ctx_attr_type type, void *attr)
{
	return 0;
}

int
mlx5dv_init_obj(struct mlx5dv_obj *o, uint64_t type)
{
	if (type != MLX5DV_OBJ_PD)
		return EINVAL;
	o->pd.out->pdn = 1;
	return 0;
}

struct mlx5dv_var *
mlx5dv_alloc_var(struct ibv_context *c, uint32_t flags)
{
	struct mlx5dv_var *v = calloc(1, sizeof(*v));

	if (v != NULL)
		v->length = PAGE;
	return v;
}

void
mlx5dv_free_var(struct mlx5dv_var *v)
{
	free(v);
}

struct mlx5dv_devx_uar *
mlx5dv_devx_alloc_uar(struct ibv_context *c, uint32_t flags)
{
	struct mlx5dv_devx_uar *u = calloc(1, sizeof(*u));
	void *p = u != NULL ? mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				   -1, 0)
			    : MAP_FAILED;

	if (p == MAP_FAILED) {
		free(u);
		return NULL;
	}
	u->reg_addr = u->base_addr = p;
	u->page_id = 1;
	return u;
}

void
mlx5dv_devx_free_uar(struct mlx5dv_devx_uar *u)
{
	munmap(u->base_addr, PAGE);
	free(u);
}

/* --- the driver's look at sysfs, where the path is fixed --- */

FILE *
fopen64(const char *path, const char *mode)
{
	static FILE *(*real)(const char *, const char *);
	static char roce_is_off[] = "0\n";
	size_t len = strlen(path);

	if (len > 12 && strcmp(path + len - 12, "/roce_enable") == 0)
		return fmemopen(roce_is_off, 2, "r");
	if (real == NULL)
		real = (FILE * (*)(const char *, const char *))(uintptr_t)dlsym(RTLD_NEXT,
										"fopen64");
	return real(path, mode);
}
