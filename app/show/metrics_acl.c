/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics of access control lists and of the connections they let through. */
#include "metrics_family.h"

#include "switch/acl_text.h"
#include "switch/port_acl.h"
#include "switch/port_ct.h"

/* Frames and bytes of each rule, by offset; the default has no number. */
void
acl_samples(struct sink *s, const struct family *f, const struct port *p)
{
	static const char *const names[ACL_DIRS] = {"in", "out"};

	for (int dir = 0; dir < ACL_DIRS; dir++) {
		const struct acl_config *set = port_get_acl(p, (enum acl_dir)dir);

		for (uint32_t i = 0; p->acl[dir] != NULL && i <= set->n; i++) {
			struct acl_count n = port_acl_count(p, (enum acl_dir)dir, i);

			begin(s, "_total", p);
			fprintf(s->out, ",direction=\"%s\",seq=\"", names[dir]);
			if (i == 0)
				fputs("default", s->out);
			else
				fprintf(s->out, "%u", set->rule[i - 1].seq);
			fprintf(s->out, "\",action=\"%s\"",
				acl_text_verdict(p->acl[dir]->drop[i], p->acl[dir]->track[i]));
			end(s, counter_at(&n, f->offset));
		}
	}
}

void
conntrack_samples(struct sink *s, const struct family *f, const struct port *p)
{
	struct ct_counts n;

	if (p->ct == NULL)
		return;
	port_ct_counts(p, &n);
	begin(s, "_total", p);
	end(s, counter_at(&n, f->offset));
}

void
conntrack_entries_samples(struct sink *s, const struct family *f, const struct port *p)
{
	if (p->ct == NULL)
		return;
	begin(s, "", p);
	end(s, port_ct_entries(p));
}
