/* SPDX-License-Identifier: BSD-3-Clause */
#include "facts.h"

#include "app.h"
#include "device.h"

void
facts_get(const struct app *app, const struct port *p, struct port_facts *out)
{
	const struct port_defaults d = device_defaults(app);

	p->ops->facts(p, &d, out);
	/* OPT_UNSET is more than any port has */
	out->nrx = (uint16_t)RTE_MIN(out->nrx, app->opt.rxq);
	out->ntx = (uint16_t)RTE_MIN(out->ntx, app->opt.txq);
}
